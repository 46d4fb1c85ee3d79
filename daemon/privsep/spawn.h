// SPDX-License-Identifier: MIT
//
// Starting the worker, or xknock-hooks: other executables, so that nothing of this process is in them.
#pragma once

#include "daemon/privsep/channel.h"
#include "protocol/base/result.h"

#include <sys/types.h>

#include <string>

namespace xk::privsep {

// The descriptor on which it finds its end of the channel.
inline constexpr int kWorkerChannel = 3;

struct Child {
    pid_t pid = -1;
    Channel channel; // our end, non-blocking
};

// Runs `executable` under this name, with standard error as ours, standard input and output on /dev/null, the channel,
// and no other descriptor; signals are as at a program's start.
Result<Child> spawn_child(const std::string& executable, const std::string& name = "xknock-worker");

} // namespace xk::privsep
