// SPDX-License-Identifier: MIT
//
// The requests of "knockctl close" and "knockctl panic", which name the caller's own session, and their replies as
// text.
#pragma once

#include "protocol/base/result.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace xk::tools {

nlohmann::json close_request(const std::string& what, bool cut);
// Where the caller came by ssh and their session cannot be found, panic may end it: this asks on the terminal first. It
// is an error if they say no, or if there is no terminal and no `yes`.
Result<nlohmann::json> panic_request(bool yes);

std::string show_closed(const nlohmann::json& reply);
std::string show_panic(const nlohmann::json& reply);
std::string show_panic_over(const nlohmann::json& reply);

} // namespace xk::tools
