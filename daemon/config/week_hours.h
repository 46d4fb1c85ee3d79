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
    // 0 is Sunday. If `last_day` is the smaller one, the days go over the end of Saturday.
    int first_day = 0, last_day = 0;
    // Minutes of the day; `until` is at most 24:00. If it is not later than `from`, it is on the next day.
    int from = 0, until = 24 * 60;

    bool operator==(const WeekHours&) const = default;
};

Result<WeekHours> parse_week_hours(std::string_view text);
// parse_week_hours() reads the text as the same hours.
std::string text_of(const WeekHours& hours);
// The spans of a week: one per day, two if a day's span goes over the end of Saturday.
std::vector<authz::Hours::Span> spans_of(const WeekHours& hours);

// parse_week_hours() and spans_of() in one.
Result<std::vector<authz::Hours::Span>> parse_hours(std::string_view text);

} // namespace xk::config
