// SPDX-License-Identifier: MIT
//
// Start-up makes the parts of a Daemon. It reads the configuration, prepares directories and state, starts the worker
// in its sandbox, and drops the privileges that no later step needs.
#pragma once

#include "daemon/lifecycle/daemon.h"
#include "daemon/lifecycle/options.h"

#include <memory>

namespace xk {

// After an error the pins of this start are removed. A last good ruleset that this start put up stays, and shuts the
// ports.
Result<std::unique_ptr<Daemon>> start_up(const Options& options);

} // namespace xk
