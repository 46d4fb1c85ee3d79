// SPDX-License-Identifier: MIT
//
// Makes knockctl's completions and the begin of its manual page (protocol/cli/manual.h). The build runs it.
#include "protocol/cli/manual.h"
#include "tools/knockctl/command_line.h"

int main(int argc, char** argv) {
    return xk::tools::describe_command_line([&](const CLI::App& app) { return xk::manual::run(app, argc, argv); });
}
