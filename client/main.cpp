// SPDX-License-Identifier: MIT
#include "client/command_line.h"
#include "protocol/base/output.h"

int main(int argc, char** argv) {
    xk::hold_standard_descriptors();
    return xk::finish_output("knock-client", xk::client::run_command_line(argc, argv));
}
