// SPDX-License-Identifier: MIT
//
// The command line of knockctl: its verbs, their options, and what each asks the daemon.
#pragma once

#include "tools/knockctl/host_verbs.h"

namespace xk::tools {

// Returns the exit code: 2 for a command line that makes no sense.
int run_command_line(int argc, char** argv, const HostVerbs& host);

} // namespace xk::tools
