// SPDX-License-Identifier: MIT
//
// Runs a program and returns its output.
#pragma once

#include "protocol/base/result.h"

#include <string>
#include <vector>

namespace xk::tools {

// The first word is the program's name, which is looked for in root's directories. It gets an environment of its own
// and its standard error is discarded. An exit code other than 0 is an error.
Result<std::string> output_of(std::vector<std::string> words);

} // namespace xk::tools
