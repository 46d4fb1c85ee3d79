// SPDX-License-Identifier: MIT
//
// Starts the worker or xknock-hooks. They are executables of their own, so that no memory of this process is in them.
#pragma once

#include "daemon/privsep/channel.h"
#include "protocol/base/result.h"

#include <sys/types.h>

#include <string>

namespace xk::privsep {

// The child finds its end of the channel at this descriptor.
inline constexpr int kWorkerChannel = 3;

struct Child {
    pid_t pid = -1;
    Channel channel; // our end, non-blocking
};

// Runs `executable` under this name. The child shares our standard error, has /dev/null as standard input and output,
// and has the channel; it has no other descriptor. Its signals have their defaults, and none is blocked.
Result<Child> spawn_child(const std::string& executable, const std::string& name = "xknock-worker");

} // namespace xk::privsep
