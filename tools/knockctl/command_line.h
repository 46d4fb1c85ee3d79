// SPDX-License-Identifier: MIT
//
// The command line of knockctl: its verbs, their options, and what each asks the daemon.
#pragma once

#include "tools/knockctl/host_verbs.h"

#include <functional>

namespace CLI {
class App;
}

namespace xk::tools {

// Returns the exit code: 2 for a command line that makes no sense.
int run_command_line(int argc, char** argv, const HostVerbs& host);

// Calls `use` with the command line and returns what it returns. For the manual (protocol/cli/manual.h).
int describe_command_line(const std::function<int(const CLI::App&)>& use);

} // namespace xk::tools
