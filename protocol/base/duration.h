// SPDX-License-Identifier: MIT
//
// Spans of time as people write them: "30s", "5m", "2h", "1d". Whole seconds, one number, one unit:
// nothing to misread.
#pragma once

#include "protocol/base/result.h"

#include <chrono>
#include <string>
#include <string_view>

namespace xk {

// 0 s to about 136 years; "" or a number without a unit is an error.
Result<std::chrono::seconds> parse_duration(std::string_view text);

// The largest unit that divides it: 90 s is "90s", 120 s is "2m".
std::string duration_text(std::chrono::seconds duration);

} // namespace xk
