// SPDX-License-Identifier: MIT
//
// Checks the fields of a request before a verb runs, and reads them for it.
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

// Checks that the fields that the request has are of their kinds. It ignores fields of other names. An error has
// Exit::usage.
Result<void> check_fields(const nlohmann::json& request, std::span<const Field> fields);

// To be called after check_fields(). A field that is absent is empty, false or none.
bool has_field(const nlohmann::json& request, std::string_view name);
std::string text_field(const nlohmann::json& request, std::string_view name);
std::vector<std::string> texts_field(const nlohmann::json& request, std::string_view name);
bool truth_field(const nlohmann::json& request, std::string_view name);
std::optional<std::chrono::seconds> seconds_field(const nlohmann::json& request, std::string_view name);
std::optional<unsigned> bits_field(const nlohmann::json& request, std::string_view name);
std::optional<TcpSession> session_field(const nlohmann::json& request, std::string_view name);

} // namespace xk::verbs
