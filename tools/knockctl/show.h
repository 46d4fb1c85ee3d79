// SPDX-License-Identifier: MIT
//
// Replies of the daemon as tables for people.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace xk::tools {

using Row = std::vector<std::string>;
// Columns side by side, the head above them.
std::string table(const Row& head, const std::vector<Row>& rows);

// One line for each entry of the reply's "disabled": which user or device is left out because of a fault, and the
// fault.
std::string show_disabled(const nlohmann::json& reply);
std::string show_status(const nlohmann::json& reply);
std::string show_grants(const nlohmann::json& reply);
std::string show_users(const nlohmann::json& reply);
std::string show_stats(const nlohmann::json& reply);
std::string show_bans(const nlohmann::json& reply);

} // namespace xk::tools
