// SPDX-License-Identifier: MIT
//
// By which way ssh gets to a host now, as the user's configuration has it: lines of ours would replace another way.
#pragma once

#include "protocol/base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace xk::client {

// The user's own ProxyCommand or ProxyJump for this host; empty where there is none, or where it is ours. An error
// where there is no ssh. `options` are words of an ssh command.
Result<std::string> other_route(const std::string& host, const std::vector<std::string>& options);

// The same from what "ssh -G" prints.
std::string other_route_in(std::string_view configuration);

} // namespace xk::client
