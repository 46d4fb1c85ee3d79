// SPDX-License-Identifier: MIT
//
// EndedSessions: how sessions end so that nothing revives them. A socket of this host is ended by the kernel at once
// (daemon/nft/sockets.h). What remains, sessions of hosts behind this one, those without a connection (UDP), and all of
// them where the kernel cannot end sockets, is remembered in the sets of daemon/nft/ended.h, and then forgotten by
// connection tracking.
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
#include <vector>

namespace xk {

class EndedSessions {
  public:
    // No `sockets`: the kernel cannot list them. `sets` must outlive it.
    EndedSessions(std::unique_ptr<nft::Sessions> sessions, std::unique_ptr<nft::Sockets> sockets, nft::Sets& sets)
        : sessions_(std::move(sessions)), sockets_(std::move(sockets)), sets_(&sets) {}

    bool ends_sockets() const { return sockets_ && sockets_->can_end(); }

    using Wanted = std::function<bool(const nft::Session&)>;
    // Of connection tracking and of the host's sockets; one that both know comes twice.
    Result<std::vector<nft::Session>> find(const Wanted& wanted);

    // Ends them; each that was alive is in the result once. `stays_shut` says of one without a connection whether its
    // packets are to be stopped from now on: until a pinhole opens for them. `has_table`: the sets are there.
    Result<std::vector<nft::Session>> end(const Wanted& wanted, const Wanted& stays_shut, bool has_table);

    // Whether this session may be one that this host began: its port is one of those that the kernel hands out, and
    // nobody listens there. By the sockets as they were last listed.
    bool may_be_outgoing(std::uint16_t local_port) const;

    // Reads back what a daemon before us ended; elements of somebody else's are removed.
    Result<void> adopt();
    void write(nft::Transaction& transaction) const;
    // Those without a connection that are wanted may begin again. To be forgotten when the transaction is done.
    void lift(nft::Transaction& transaction, const std::function<bool(const nft::EndedSession&)>& wanted) const;
    void forget(const std::function<bool(const nft::EndedSession&)>& wanted);
    Result<void> lift(const std::function<bool(const nft::EndedSession&)>& wanted);
    bool any_without_connection() const { return without_connection_ > 0; }

  private:
    Result<std::vector<nft::Sockets::Socket>> list_sockets();
    struct Ending {
        std::vector<nft::Session> ended; // each that was alive, once
        std::set<nft::Tuple> reported;   // the tuples back of sockets among them
        std::set<nft::Tuple> gone;       // ... of those that nothing can revive
        std::vector<nft::EndedSession> remaining;
        std::vector<nft::Tuple> flows; // that connection tracking does not follow
    };
    void end_sockets(const Wanted& wanted, Ending& ending);
    static void end_tracked(const std::vector<nft::Session>& tracked, const Wanted& stays_shut, Ending& ending);
    Result<void> end_flows(const Wanted& wanted, Ending& ending);
    Result<void> remember(std::vector<nft::EndedSession> sessions, const std::vector<nft::Tuple>& flows);
    Result<void> write_ended(std::span<const nft::EndedSession> sessions, const std::vector<nft::Tuple>& flows);
    std::vector<nft::EndedSession> oldest_beyond(std::size_t room) const;
    Result<void> read_back();
    void enter(const nft::EndedSession& session, BootTime now);
    void erase(const nft::EndedSession& session);

    std::unique_ptr<nft::Sessions> sessions_;
    std::unique_ptr<nft::Sockets> sockets_;
    nft::Sets* sets_;
    // As the sockets were last listed: ports that somebody listens on, and those that the kernel hands out.
    std::set<std::uint16_t> listening_;
    std::pair<unsigned, unsigned> ephemeral_ = nft::Sockets::List().ephemeral;
    std::map<nft::EndedSession, BootTime> known_; // in the sets, and since when
    std::size_t without_connection_ = 0;          // of them
    std::vector<nft::EndedSession> unwritten_;    // ended, and to be in the sets
};

} // namespace xk
