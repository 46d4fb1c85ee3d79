// SPDX-License-Identifier: MIT
//
// Makes of a request what execve(2) needs: the configured arguments, and an environment that contains nothing else than
// the variables here.
#pragma once

#include "daemon/hooks/messages.h"

#include <optional>
#include <string>
#include <vector>

namespace xk::hooks {

// Nothing where the text has not so many arguments.
std::optional<std::vector<std::string>> arguments_of(const Run& request);

std::vector<std::string> environment_of(const Run& request);

} // namespace xk::hooks
