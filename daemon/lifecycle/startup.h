// SPDX-License-Identifier: MIT
//
// From nothing to a Daemon that can begin: configuration, directories, the worker in its sandbox, and the privileges
// that are kept.
#pragma once

#include "daemon/lifecycle/daemon.h"
#include "daemon/lifecycle/options.h"

#include <memory>

namespace xk {

// What this start pinned is gone where it fails; a last good ruleset that it put up stays, and shuts the ports.
Result<std::unique_ptr<Daemon>> start_up(const Options& options);

} // namespace xk
