// SPDX-License-Identifier: MIT
//
// Times of the week as a user's file has them: "mon-fri 08:00-18:00", "sat 22:00-02:00" (into Sunday), "sun".
#pragma once

#include "daemon/authz/policy.h"
#include "protocol/base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace xk::config {

struct WeekHours {
    // 0 is Sunday; from `first_day` to `last_day`, over the end of Saturday where that is the smaller one.
    int first_day = 0, last_day = 0;
    // Minutes of the day; `until` at most 24:00, and on the next day where it is not later than `from`.
    int from = 0, until = 24 * 60;

    bool operator==(const WeekHours&) const = default;
};

Result<WeekHours> parse_week_hours(std::string_view text);
// What parse_week_hours() reads as the same.
std::string text_of(const WeekHours& hours);
// The spans of a week that it means: one each day, two where it goes over the end of Saturday.
std::vector<authz::Hours::Span> spans_of(const WeekHours& hours);

// Both in one: for who needs no text again.
Result<std::vector<authz::Hours::Span>> parse_hours(std::string_view text);

} // namespace xk::config
