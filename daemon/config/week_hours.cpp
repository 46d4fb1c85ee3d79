// SPDX-License-Identifier: MIT
#include "daemon/config/week_hours.h"

#include "protocol/base/quote.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

namespace xk::config {
namespace {

constexpr int kDay = 24 * 60, kWeek = 7 * kDay; // minutes
constexpr std::string_view kDays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

std::optional<int> day_of(std::string_view text) {
    const auto found = std::ranges::find(kDays, text);
    return found == std::end(kDays) ? std::nullopt : std::optional(static_cast<int>(found - std::begin(kDays)));
}

// "08:00", up to "24:00": minutes.
std::optional<int> minute_of(std::string_view text) {
    const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9' ? text[i] - '0' : -1; };
    if (text.size() != 5 || text[2] != ':' || digit(0) < 0 || digit(1) < 0 || digit(3) < 0 || digit(4) < 0)
        return std::nullopt;
    const int hour = 10 * digit(0) + digit(1), minute = 10 * digit(3) + digit(4);
    return minute < 60 && hour * 60 + minute <= kDay ? std::optional(hour * 60 + minute) : std::nullopt;
}

// "mon-fri" or "mon": first and last.
std::optional<std::pair<int, int>> days_of(std::string_view text) {
    const auto dash = text.find('-');
    const auto first = day_of(text.substr(0, dash));
    const auto last = dash == text.npos ? first : day_of(text.substr(dash + 1));
    return first && last ? std::optional(std::pair(*first, *last)) : std::nullopt;
}

void add_span(std::vector<authz::Hours::Span>& spans, int from, int until) {
    const auto add = [&](int a, int b) {
        if (a < b)
            spans.push_back({static_cast<std::uint16_t>(a), static_cast<std::uint16_t>(b)});
    };
    add(from, std::min(until, kWeek));
    add(0, until - kWeek); // over the end of Saturday
}

} // namespace

Result<WeekHours> parse_week_hours(std::string_view text) {
    const Error bad{in_quotes(text) + " is not a time of the week",
                    "write \"mon-fri 08:00-18:00\", \"sat 22:00-02:00\" or \"sun\""};
    const auto space = text.find(' ');
    const auto days = days_of(text.substr(0, space));
    if (!days)
        return bad;
    WeekHours hours{days->first, days->second};
    if (space == text.npos)
        return hours;
    const std::string_view clock = text.substr(space + 1);
    const auto dash = clock.find('-');
    const auto begin = minute_of(clock.substr(0, dash));
    const auto end = dash == clock.npos ? std::nullopt : minute_of(clock.substr(dash + 1));
    if (!begin || !end || *begin == *end || *begin == kDay)
        return bad;
    hours.from = *begin;
    hours.until = *end;
    return hours;
}

std::string text_of(const WeekHours& hours) {
    std::string text(kDays[hours.first_day]);
    if (hours.last_day != hours.first_day)
        text += "-" + std::string(kDays[hours.last_day]);
    if (hours.from == 0 && hours.until == kDay)
        return text;
    char clock[32];
    std::snprintf(clock, sizeof clock, " %02d:%02d-%02d:%02d", hours.from / 60, hours.from % 60, hours.until / 60,
                  hours.until % 60);
    return text + clock;
}

std::vector<authz::Hours::Span> spans_of(const WeekHours& hours) {
    const int until = hours.until > hours.from ? hours.until : hours.until + kDay; // over midnight
    std::vector<authz::Hours::Span> spans;
    for (int day = hours.first_day;; day = (day + 1) % 7) {
        add_span(spans, day * kDay + hours.from, day * kDay + until);
        if (day == hours.last_day)
            return spans;
    }
}

Result<std::vector<authz::Hours::Span>> parse_hours(std::string_view text) {
    const auto hours = parse_week_hours(text);
    return hours ? Result(spans_of(*hours)) : hours.error();
}

} // namespace xk::config
