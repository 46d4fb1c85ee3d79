// SPDX-License-Identifier: MIT
//
// Replies of the daemon as tables for people.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace xk::tools {

// One line for each entry of the reply's "disabled": which user or device is left out because of a fault, and the
// fault.
std::string show_disabled(const nlohmann::json& reply);
std::string show_status(const nlohmann::json& reply);
std::string show_grants(const nlohmann::json& reply);
std::string show_users(const nlohmann::json& reply);
std::string show_stats(const nlohmann::json& reply);
std::string show_bans(const nlohmann::json& reply);

} // namespace xk::tools
