// SPDX-License-Identifier: MIT
//
// EndedSessions ends sessions so that nothing revives them. The kernel ends a socket of this host at once
// (daemon/nft/sockets.h). All other sessions (those of hosts behind this one, those of UDP, and every session where the
// kernel cannot end sockets) go into the sets of daemon/nft/ended.h, which drop their packets; then connection tracking
// forgets them.
#pragma once

#include "daemon/nft/ended.h"
#include "daemon/nft/sessions.h"
#include "daemon/nft/sets.h"
#include "daemon/nft/sockets.h"
#include "protocol/base/clock.h"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string_view>
#include <vector>

namespace xk {

class EndedSessions {
  public:
    // `sockets` is null where the kernel cannot list sockets. `sets` must outlive this object.
    EndedSessions(std::unique_ptr<nft::Sessions> sessions, std::unique_ptr<nft::Sockets> sockets, nft::Sets& sets)
        : sessions_(std::move(sessions)), sockets_(std::move(sockets)), sets_(&sets) {}

    bool ends_sockets() const { return sockets_ && sockets_->can_end(); }

    using Wanted = std::function<bool(const nft::Session&)>;
    // Returns the sessions that connection tracking or the host's sockets know. A session that both know comes twice.
    Result<std::vector<nft::Session>> find_sessions(const Wanted& wanted);

    struct Outcome {
        std::vector<nft::Session> ended; // each session that was alive, once
        Result<void> all;                // an error names the sessions that may live on; another call ends them
    };
    // Ends the wanted sessions. A step that fails does not keep the other steps from ending what they can.
    // `stays_shut` says whether the packets of a UDP session are dropped from now on, until a pinhole opens for them.
    // `has_table` says whether the sets exist.
    Outcome end_sessions(const Wanted& wanted, const Wanted& stays_shut, bool has_table);

    // Whether this host may have begun the session: the kernel hands out its port, and no program listens there. The
    // answer is as old as the last list of sockets.
    bool may_be_outgoing(std::uint16_t local_port) const;

    // Reads back what an earlier daemon ended. Elements that no daemon wrote are removed.
    Result<void> adopt();
    void write_sets(nft::Transaction& transaction) const;
    // Lets the wanted UDP sessions begin again. Call forget_lifted() when the transaction is done.
    void lift_sessions(nft::Transaction& transaction,
                       const std::function<bool(const nft::EndedSession&)>& wanted) const;
    void forget_lifted(const std::function<bool(const nft::EndedSession&)>& wanted);
    Result<void> lift_sessions(const std::function<bool(const nft::EndedSession&)>& wanted);
    bool any_without_connection() const { return without_connection_ > 0; }

  private:
    Result<std::vector<nft::Sockets::Socket>> list_sockets();
    struct Ending {
        Outcome outcome;
        std::set<nft::Tuple> reported;            // Session::back of the sockets in outcome.ended
        std::set<nft::Tuple> gone;                // Session::back of the sockets that nothing can revive
        std::vector<nft::EndedSession> remaining; // sessions for the sets
        std::vector<nft::Tuple> flows;            // flows that connection tracking does not follow

        void fail(Error error, std::string_view consequence);
    };
    void end_sockets(const Wanted& wanted, Ending& ending);
    static void end_tracked(const std::vector<nft::Session>& tracked, const Wanted& stays_shut, Ending& ending);
    void end_flows(const Wanted& wanted, Ending& ending);
    Result<void> remember(std::vector<nft::EndedSession> sessions, const std::vector<nft::Tuple>& flows);
    Result<void> write_ended(std::span<const nft::EndedSession> sessions, const std::vector<nft::Tuple>& flows);
    std::vector<nft::EndedSession> oldest_beyond(std::size_t room) const;
    Result<void> read_back();
    void enter(const nft::EndedSession& session, BootTime now);
    void erase(const nft::EndedSession& session);

    std::unique_ptr<nft::Sessions> sessions_;
    std::unique_ptr<nft::Sockets> sockets_;
    nft::Sets* sets_;
    // From the last list of sockets: ports on which a program listens, and the ports that the kernel hands out.
    std::set<std::uint16_t> listening_;
    std::pair<unsigned, unsigned> ephemeral_ = nft::Sockets::List().ephemeral;
    std::map<nft::EndedSession, BootTime> known_; // the sessions in the sets, with the time of their entry
    std::size_t without_connection_ = 0;          // UDP sessions in known_
    std::vector<nft::EndedSession> unwritten_;    // ended sessions that the sets did not take yet; at most kMostEnded
};

} // namespace xk
