// SPDX-License-Identifier: MIT
//
// The command line of knock-client.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace xk::client {

// Returns the exit code: 2 for a command line that makes no sense.
int run_command_line(int argc, char** argv);

// Calls `use` with the command line of all verbs and returns what it returns. For the manual (protocol/cli/manual.h).
int describe_command_line(const std::function<int(const CLI::App&)>& use);

} // namespace xk::client
