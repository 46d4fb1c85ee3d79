// SPDX-License-Identifier: MIT
//
// The verb "panic": everything closes, all sessions end, and nobody is let in until the operator says that it is over.
#pragma once

#include "daemon/lifecycle/ssh_caller.h"
#include "daemon/verbs/verb.h"

#include <cstddef>
#include <optional>

namespace xk::verbs {

class PanicControl {
  public:
    virtual ~PanicControl() = default;
    struct Closed {
        std::size_t grants = 0, sessions = 0;
        bool outlives_restart = true; // it is on the disk
    };
    // Not this session. Where it fails the panic has begun all the same, and is tried again.
    virtual Result<Closed> begin_panic(const std::optional<TcpSession>& spared) = 0;
    virtual Result<bool> end_panic() = 0; // false: there was none
};

Table panic_verbs(PanicControl& panic);

} // namespace xk::verbs
