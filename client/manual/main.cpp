// SPDX-License-Identifier: MIT
//
// Makes knock-client's completions and the begin of its manual page (protocol/cli/manual.h). The build runs it.
#include "client/command_line.h"
#include "protocol/cli/manual.h"

int main(int argc, char** argv) {
    return xk::client::describe_command_line([&](const CLI::App& app) { return xk::manual::run(app, argc, argv); });
}
