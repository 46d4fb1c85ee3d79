// SPDX-License-Identifier: MIT
#include "protocol/base/output.h"
#include "tools/knockctl/command_line.h"
#include "tools/knockctl/host/verbs.h"

int main(int argc, char** argv) {
    xk::hold_standard_descriptors();
    return xk::finish_output("knockctl", xk::tools::run_command_line(argc, argv, xk::tools::kHostVerbs));
}
