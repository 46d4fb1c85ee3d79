// SPDX-License-Identifier: MIT
//
// What the machine says of itself: the output of a program, and a file of the kernel's.
#pragma once

#include "protocol/base/result.h"

#include <string>
#include <vector>

namespace xk::tools {

// The first word is the program's name, which is looked for in root's directories. It gets an environment of its own
// and its standard error is discarded. An exit code other than 0 is an error.
Result<std::string> output_of(std::vector<std::string> words);

// Without the end of the line; empty where the file cannot be read. For /proc and /sys.
std::string first_line(const std::string& path);

} // namespace xk::tools
