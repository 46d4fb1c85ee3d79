// SPDX-License-Identifier: MIT
//
// The verb "panic": closes all grants, ends all sessions, and refuses knocks until the operator ends the panic.
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
        bool outlives_restart = true; // the panic is on the disk
    };
    // The session `spared` lives on. After an error the panic has begun all the same, and the daemon tries again.
    virtual Result<Closed> begin_panic(const std::optional<TcpSession>& spared) = 0;
    virtual Result<bool> end_panic() = 0; // false: there was no panic
};

Table panic_verbs(PanicControl& panic);

} // namespace xk::verbs
