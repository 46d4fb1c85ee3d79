// SPDX-License-Identifier: MIT
//
// Makes the arguments and the environment for execve(2) from a request. The environment has only the variables that
// request.cpp names.
#pragma once

#include "daemon/hooks/messages.h"

#include <optional>
#include <string>
#include <vector>

namespace xk::hooks {

// Returns nothing where the request names no argument, or more than its text has.
std::optional<std::vector<std::string>> arguments_of(const Run& request);

std::vector<std::string> environment_of(const Run& request);

} // namespace xk::hooks
