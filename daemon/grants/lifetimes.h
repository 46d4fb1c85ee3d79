// SPDX-License-Identifier: MIT
//
// Lifetimes carries out what the services say of grants and sessions. A grant of "after: idle" is prolonged while a
// session lives. A session of "after: cut" ends with its grant. The sessions of a banned address, of a panic, of "close
// --cut" and of deleted users end for good. A grant of single use is forgotten when the kernel has used it.
#pragma once

#include "daemon/authz/bans.h"
#include "daemon/authz/event.h"
#include "daemon/config/config.h"
#include "daemon/grants/ended_sessions.h"
#include "daemon/grants/grant_events.h"
#include "daemon/grants/grants.h"
#include "daemon/grants/owners.h"
#include "protocol/base/tcp_session.h"

#include <map>
#include <set>

namespace xk {

class Lifetimes : public PinholeListener {
  public:
    // Everything but `ended` must outlive this object.
    Lifetimes(EndedSessions ended, Grants& grants, Owners& owners, authz::EventSink& sink)
        : ended_(std::move(ended)), grants_(grants), owners_(owners), sink_(sink) {}

    // To be called at the start, when the grants are known. Where there was no ruleset before, no session needed a
    // grant, so sessions without one live on.
    Result<void> adopt(bool has_table, bool ruleset_was_there);
    // Writes the sets of ended sessions, for a transaction that makes the table anew.
    void write(nft::Transaction& transaction) const { ended_.write_sets(transaction); }

    void on_pinhole_ended(const authz::GrantBook::Ended& ended) override;
    // Something was banned. Its sessions end on the next tick, even where the ban is over by then.
    void on_ban(BootTime now) { banned_ = banned_.value_or(now); }
    // A pinhole opens. UDP has no connections, so its ended sessions cannot be told from new ones and may begin again.
    void on_opening(nft::Transaction& transaction, const authz::Pinhole& pinhole, const std::set<Address>& own) const;
    void on_opened(const authz::Pinhole& pinhole, const std::set<Address>& own);

    // Ends and prolongs what is due. To be called once a second, and right after the start, because grants may have
    // ended while no daemon ran. `bans` must still hold the bans that ended since the last tick. Every step is carried
    // out even if another one fails. The error has one line for each step that failed; the next tick tries them again.
    Result<void> on_tick(const config::Config& config, const authz::BanList& bans, const std::set<Address>& own,
                         const Now& now);
    // Ends the sessions of addresses that were banned since the last tick, if there are any. After an error the next
    // tick tries again.
    Result<void> end_banned(const config::Config& config, const authz::BanList& bans, const std::set<Address>& own,
                            const Now& now);
    // Ends the sessions of grants that this configuration does not allow any more: the user, the device, the service
    // or the right to it is gone. To be called at the start and on a reload.
    Result<void> end_disowned(const config::Config& config, const std::set<Address>& own, const Now& now);

    // For the operator. These return how many sessions ended, and log each of them. An error says how many ended and
    // which sessions may live on; another call ends those. `spared` is the operator's own session.
    Result<std::size_t> end_all_sessions(const config::Config& config, const std::set<Address>& own,
                                         const std::optional<TcpSession>& spared, const Now& now);
    Result<std::size_t> end_sessions_of(const Prefix& prefix, const config::Config& config,
                                        const std::set<Address>& own, const std::optional<TcpSession>& spared,
                                        const Now& now);
    struct OfUsers {
        std::size_t ended = 0;
        std::size_t shared = 0; // pinholes that other users held too: their sessions live on
    };
    Result<OfUsers> end_sessions_of(const std::set<wire::CredentialId>& users, const config::Config& config,
                                    const std::set<Address>& own, const std::optional<TcpSession>& spared,
                                    const Now& now);

    // Forgets the grants of single use that have had their connection. To be called before all grants are written anew,
    // which would open them again.
    Result<void> forget_used(const std::set<Address>& own);
    // Writes all grants anew, but for those that forget_used() forgets. Where it is not known which of them were used,
    // this writes nothing.
    Result<void> restore_grants(const std::set<Address>& own, const Now& now);

  private:
    // A pinhole by which a session may have come.
    struct Way {
        authz::Pinhole pinhole;
        bool reversed; // connection tracking saw a packet of the service first
    };
    std::vector<Way> ways_of(const nft::Session& session, const std::set<Address>& own) const;
    std::string text_of(const nft::Session& session, const std::set<Address>& own) const;
    using EndedGrants = std::map<authz::Pinhole, authz::EndCause>;
    // Why sessions end, for the log and for the event. A session that ends with its grant has the grant's cause.
    struct Why {
        std::string_view text;
        authz::EndCause cause;
        EndedGrants grants;
    };
    Result<std::size_t> end(const EndedSessions::Wanted& wanted, const config::Config& config,
                            const std::set<Address>& own, const Why& why, const Now& now);
    void report_ended(const nft::Session& session, const std::set<Address>& own, const Why& why, const Now& now) const;
    Result<void> end_cut(const config::Config& config, const std::set<Address>& own, const Now& now);
    // Owners that this configuration does not entitle to their pinholes any more.
    struct Disowned {
        std::map<authz::Pinhole, Owners::Record> over; // pinholes without any other owner
        std::map<authz::Pinhole, std::set<wire::CredentialId>> gone;
    };
    Disowned find_disowned(const config::Config& config) const;
    Result<void> lift_unprotected(const config::Config& config, const std::set<Address>& own);
    Result<void> prolong_idle(const config::Config& config, const std::set<Address>& own, const Now& now);
    Result<void> prune_owners(const std::set<Address>& own, const Now& now);

    EndedSessions ended_;
    Grants& grants_;
    Owners& owners_;
    authz::EventSink& sink_;
    EndedGrants cut_;                // pinholes of "after: cut" that ended since the last tick
    bool cut_unknown_ = true;        // others may have ended while no daemon ran
    bool disowned_ = false;          // sessions of deleted users may live: the last try to end them failed
    std::optional<BootTime> banned_; // the first ban since the last tick
    BootTime last_look_{};           // the last search for sessions of "after: idle"
};

} // namespace xk
