// SPDX-License-Identifier: MIT
//
// Sessions that the kernel's connection tracking knows (ctnetlink, through libnetfilter_conntrack), and how it forgets
// them: the next packet of a forgotten session has to pass the ruleset again. One call of find_sessions() reads the
// whole table, a few milliseconds for ten thousand entries, so a caller gathers its questions first.
#pragma once

#include "daemon/nft/tuple.h"
#include "protocol/base/result.h"

#include <functional>
#include <memory>
#include <vector>

struct nf_conntrack;

namespace xk::nft {

struct Session {
    // The first packet that connection tracking saw, before any translation. Of a session that it took up in the
    // middle, or that a service began from its own port, that may be a packet of the service.
    Tuple there;
    // A packet that answers it, before any translation: its source is the host that the session was delivered to.
    Tuple back;
    bool alive = false;                        // TCP: established; others: there was an answer
    bool over = false;                         // TCP: closed by either side, and the kernel waits for late packets
    std::shared_ptr<const nf_conntrack> entry; // none where connection tracking does not know the session
};

class Sessions {
  public:
    // The kernel's. The calls below need CAP_NET_ADMIN over the network namespace.
    static Result<std::unique_ptr<Sessions>> open_conntrack();
    virtual ~Sessions() = default;

    // The sessions that are wanted. An Error means that nothing is known: any session may live.
    virtual Result<std::vector<Session>> find_sessions(const std::function<bool(const Session&)>& wanted) = 0;
    // Makes connection tracking forget them. A session that ended by itself meanwhile is no error. An Error says how
    // many are still known; all others are forgotten.
    virtual Result<void> forget_sessions(const std::vector<Session>& sessions) = 0;
};

} // namespace xk::nft
