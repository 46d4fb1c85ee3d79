// SPDX-License-Identifier: MIT
//
// knockctl close and panic: what is asked for, with the session of whoever asks, and what people read of it.
#pragma once

#include "protocol/base/result.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace xk::tools {

nlohmann::json close_request(const std::string& what, bool cut);
// Asks on the terminal where somebody came by ssh and the session cannot be told; an error where they say no, or there
// is no terminal and no `yes`.
Result<nlohmann::json> panic_request(bool yes);

std::string show_closed(const nlohmann::json& reply);
std::string show_panic(const nlohmann::json& reply);
std::string show_panic_over(const nlohmann::json& reply);

} // namespace xk::tools
