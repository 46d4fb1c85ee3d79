// SPDX-License-Identifier: MIT
//
// Running a program for what it prints.
#pragma once

#include "protocol/base/result.h"

#include <string>
#include <vector>

namespace xk::tools {

// The first word is its name, which is looked for where root's programs are. Its environment is ours, not the caller's,
// and what it warns of goes nowhere. Another exit code than 0 is an error.
Result<std::string> output_of(std::vector<std::string> words);

} // namespace xk::tools
