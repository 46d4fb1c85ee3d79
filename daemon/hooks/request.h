// SPDX-License-Identifier: MIT
//
// A request as execve(2) wants it: the arguments as they were configured, and an environment that holds nothing but
// what is said here.
#pragma once

#include "daemon/hooks/messages.h"

#include <optional>
#include <string>
#include <vector>

namespace xk::hooks {

// Nothing where the message's text is not that many arguments.
std::optional<std::vector<std::string>> arguments_of(const Run& request);

std::vector<std::string> environment_of(const Run& request);

} // namespace xk::hooks
