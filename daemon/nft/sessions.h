// SPDX-License-Identifier: MIT
//
// Sessions that the kernel's connection tracking knows (ctnetlink, through libnetfilter_conntrack), and how it forgets
// them: without its entry a session has to ask the ruleset again. One look reads the whole table: a few milliseconds
// for ten thousand entries, so whoever calls gathers what there is to ask.
#pragma once

#include "daemon/nft/tuple.h"
#include "protocol/base/result.h"

#include <functional>
#include <memory>
#include <vector>

struct nf_conntrack;

namespace xk::nft {

struct Session {
    // As the first packet that was seen, before any translation. Of a session that was taken up in the middle, or that
    // a service began from its own port, that packet may be the service's.
    Tuple there;
    Tuple back;         // as the packets that answer it, before any translation: from where it was delivered
    bool alive = false; // TCP: established; others: there was an answer
    bool over = false;  // TCP: closed by either side, and the kernel waits for what is still on the way
    std::shared_ptr<const nf_conntrack> entry; // none where connection tracking does not know it
};

class Sessions {
  public:
    // The kernel's. CAP_NET_ADMIN over the network namespace is needed for what follows.
    static Result<std::unique_ptr<Sessions>> open();
    virtual ~Sessions() = default;

    // Those that are wanted.
    virtual Result<std::vector<Session>> find(const std::function<bool(const Session&)>& wanted) = 0;
    // Makes connection tracking forget them. One that ended by itself meanwhile is no error.
    virtual Result<void> forget(const std::vector<Session>& sessions) = 0;
};

} // namespace xk::nft
