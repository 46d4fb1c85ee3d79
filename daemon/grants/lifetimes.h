// SPDX-License-Identifier: MIT
//
// Lifetimes: what becomes of sessions and grants by the rules of their services. Grants of "after: idle" are prolonged
// while a session lives; sessions of "after: cut" end when their grant does; those of a banned address, of a panic, of
// "close --cut" and of users who are gone end for good. A grant of single use is forgotten when the kernel
// has used it.
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
    // All but the first must outlive it.
    Lifetimes(EndedSessions ended, Grants& grants, Owners& owners, authz::EventSink& sink)
        : ended_(std::move(ended)), grants_(grants), owners_(owners), sink_(sink) {}

    // At the start, when the grants are known. Where the ruleset did not stand before, sessions are there that nobody
    // could have had a grant for: they live on.
    Result<void> adopt(bool has_table, bool ruleset_was_there);
    // What the sets of ended sessions hold, where the table is made anew.
    void write(nft::Transaction& transaction) const { ended_.write(transaction); }

    void on_pinhole_ended(const authz::GrantBook::Ended& ended) override;
    // Something was banned: what it has ends on the next tick, however short the ban is.
    void on_ban(BootTime now) { banned_ = banned_.value_or(now); }
    // Whether there are some whose sessions have not ended yet.
    bool any_banned() const { return banned_.has_value(); }
    // A pinhole opens: what ended without a connection that could be told apart (UDP) may begin again by it.
    void opening(nft::Transaction& transaction, const authz::Pinhole& pinhole, const std::set<Address>& own) const;
    void opened(const authz::Pinhole& pinhole, const std::set<Address>& own);

    // What is due. Also right after the start: sessions whose grant ended while nobody was there. Bans that are over
    // must still be in the list.
    Result<void> tick(const config::Config& config, const authz::BanList& bans, const std::set<Address>& own,
                      const Now& now);
    // Whoever came by a grant that this configuration gives nobody any more (the user, the device, the service or the
    // right to it is gone) is out. At the start, and on a reload.
    Result<void> end_disowned(const config::Config& config, const std::set<Address>& own, const Now& now);

    // By the operator. How many sessions ended; all of them are in the log.
    // All of all services; not that of whoever calls.
    Result<std::size_t> end_all(const config::Config& config, const std::set<Address>& own,
                                const std::optional<TcpSession>& spared, const Now& now);
    Result<std::size_t> end_of(const Prefix& prefix, const config::Config& config, const std::set<Address>& own,
                               const std::optional<TcpSession>& spared, const Now& now);
    struct OfUsers {
        std::size_t ended = 0;
        std::size_t shared = 0; // pinholes whose sessions may be somebody else's: those live on
    };
    Result<OfUsers> end_of(const std::set<wire::CredentialId>& users, const config::Config& config,
                           const std::set<Address>& own, const std::optional<TcpSession>& spared, const Now& now);

    // Forgets the grants of single use that have their connection: before all grants are written anew.
    Result<void> forget_used(const std::set<Address>& own);

  private:
    // A pinhole that a session came by, or would have.
    struct Way {
        authz::Pinhole pinhole;
        bool reversed; // connection tracking saw the service's packet first
    };
    std::vector<Way> ways_of(const nft::Session& session, const std::set<Address>& own) const;
    std::string text_of(const nft::Session& session, const std::set<Address>& own) const;
    using EndedGrants = std::map<authz::Pinhole, authz::EndCause>;
    // Why sessions end: for the log, and for the event. A session that ends with its grant has the grant's cause.
    struct Why {
        std::string_view text;
        authz::EndCause cause;
        EndedGrants grants;
    };
    Result<std::size_t> end(const EndedSessions::Wanted& wanted, const config::Config& config,
                            const std::set<Address>& own, const Why& why, const Now& now, std::size_t lines);
    void report_ended(const nft::Session& session, const std::set<Address>& own, const Why& why, const Now& now) const;
    Result<std::size_t> end_banned(const config::Config& config, const authz::BanList& bans,
                                   const std::set<Address>& own, BootTime first, const Now& now);
    Result<std::size_t> end_cut(const config::Config& config, const EndedGrants& cut, bool unknown,
                                const std::set<Address>& own, const Now& now);
    Result<void> end_due(const config::Config& config, const authz::BanList& bans, const std::set<Address>& own,
                         const Now& now);
    Result<void> prolong_idle(const std::set<Address>& own, const Now& now);
    Result<void> prune_owners(const std::set<Address>& own, const Now& now);

    EndedSessions ended_;
    Grants& grants_;
    Owners& owners_;
    authz::EventSink& sink_;
    EndedGrants cut_;                // pinholes of "after: cut" that have ended
    bool cut_unknown_ = true;        // ... or may have, while no daemon was there
    bool disowned_ = false;          // users who are gone may have sessions: it failed to end them
    std::optional<BootTime> banned_; // the first ban since the last tick
    BootTime last_look_{};           // for sessions of "after: idle"
};

} // namespace xk
