// SPDX-License-Identifier: MIT
#include "daemon/config/forms.h"

#include "protocol/base/quote.h"

#include <cstdio>

namespace xk::config {

using yaml::Scalar;
using yaml::Section;

std::vector<Prefix> read_networks(Section& section, std::string_view key, std::size_t most, yaml::EmptyList empty) {
    std::vector<Prefix> networks;
    for (const Scalar& text : section.scalars(key, empty).value_or(std::vector<Scalar>{})) {
        const auto prefix = section.parse_at(text, Prefix::parse);
        if (prefix && networks.size() == most)
            section.faults().add(text.place, "these are more than " + std::to_string(most) + " networks");
        if (prefix && networks.size() < most)
            networks.push_back(*prefix);
    }
    return networks;
}

Result<std::chrono::seconds> parse_lifetime(std::string_view text) {
    auto lifetime = parse_duration(text);
    if (lifetime && lifetime->count() == 0)
        return Error{in_quotes(text) + " is no time at all", {}};
    return lifetime;
}

Result<WallTime> parse_date(std::string_view text) {
    using namespace std::chrono;
    int numbers[6] = {0, 1, 1, 0, 0, 0};
    constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:ddZ";
    const Error bad{in_quotes(text) + " is not a date", "write 2026-12-31 or 2026-12-31T23:59:59Z, both in UTC"};
    if (text.size() != 10 && text.size() != kForm.size())
        return bad;
    for (std::size_t i = 0, field = 0; i < text.size(); ++i) {
        if (kForm[i] != 'd') {
            if (text[i] != kForm[i])
                return bad;
            ++field;
            if (field < 6)
                numbers[field] = 0;
            continue;
        }
        if (text[i] < '0' || text[i] > '9')
            return bad;
        numbers[field] = 10 * numbers[field] + (text[i] - '0');
    }
    const year_month_day date{year(numbers[0]), month(static_cast<unsigned>(numbers[1])),
                              day(static_cast<unsigned>(numbers[2]))};
    if (!date.ok() || numbers[3] > 23 || numbers[4] > 59 || numbers[5] > 59)
        return bad;
    return WallTime(sys_days(date) + hours(numbers[3]) + minutes(numbers[4]) + seconds(numbers[5]));
}

std::string date_text(WallTime date) {
    using namespace std::chrono;
    const sys_days midnight = floor<days>(date);
    const year_month_day day(midnight);
    const hh_mm_ss time(date - midnight);
    char text[64];
    int size = std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(day.year()),
                             static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
    if (date != midnight)
        size += std::snprintf(text + size, sizeof text - static_cast<std::size_t>(size), "T%02d:%02d:%02dZ",
                              static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                              static_cast<int>(time.seconds().count()));
    return {text, static_cast<std::size_t>(size)};
}

Result<std::string> parse_path(std::string_view text) {
    if (text.empty() || text.front() != '/')
        return Error{in_quotes(text) + " is not an absolute path", {}};
    return std::string(text);
}

} // namespace xk::config
