// SPDX-License-Identifier: MIT
//
// The command line of knock-client.
#pragma once

namespace xk::client {

// Returns the exit code: 2 for a command line that makes no sense.
int run_command_line(int argc, char** argv);

} // namespace xk::client
