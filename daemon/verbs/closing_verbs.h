// SPDX-License-Identifier: MIT
//
// The verbs that close and end: "close" and "panic" (control_verbs.h).
#pragma once

#include "daemon/authz/policy.h"
#include "protocol/base/result.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace xk {

class Daemon;

// "anna" or "anna/laptop"
std::vector<std::size_t> credentials_of(const authz::Policy& policy, const std::string& who);

Result<nlohmann::json> close(Daemon& daemon, const nlohmann::json& request);
Result<nlohmann::json> panic(Daemon& daemon, const nlohmann::json& request);

} // namespace xk
