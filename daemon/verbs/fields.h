// SPDX-License-Identifier: MIT
//
// The fields of a request: their kinds are checked before the verb runs, and read here.
#pragma once

#include "daemon/lifecycle/ssh_caller.h"
#include "daemon/verbs/verb.h"
#include "protocol/base/result.h"

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace xk::verbs {

// That those of these fields which are there are of their kinds; others are ignored. An error has Exit::usage.
Result<void> check_fields(const nlohmann::json& request, std::span<const Field> fields);

// After check_fields(). Absent: empty, false, none.
bool has_field(const nlohmann::json& request, std::string_view name);
std::string text_field(const nlohmann::json& request, std::string_view name);
std::vector<std::string> texts_field(const nlohmann::json& request, std::string_view name);
bool truth_field(const nlohmann::json& request, std::string_view name);
std::optional<std::chrono::seconds> seconds_field(const nlohmann::json& request, std::string_view name);
std::optional<unsigned> bits_field(const nlohmann::json& request, std::string_view name);
std::optional<TcpSession> session_field(const nlohmann::json& request, std::string_view name);

} // namespace xk::verbs
