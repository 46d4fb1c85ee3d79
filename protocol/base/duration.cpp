// SPDX-License-Identifier: MIT
#include "protocol/base/duration.h"

#include "protocol/base/quote.h"

#include <charconv>
#include <cstdint>

namespace xk {
namespace {

struct Unit {
    char letter;
    std::int64_t seconds;
};
constexpr Unit kUnits[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

} // namespace

Result<std::chrono::seconds> parse_duration(std::string_view text) {
    const Error bad{in_quotes(text) + " is not a duration", "write a number and a unit: 30s, 5m, 2h or 1d"};
    std::uint32_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, code] = std::from_chars(text.data(), end, number);
    if (code != std::errc{} || end - rest != 1)
        return bad;
    for (const Unit& unit : kUnits) {
        if (unit.letter != *rest)
            continue;
        const std::int64_t seconds = number * unit.seconds;
        if (seconds > UINT32_MAX)
            return bad;
        return std::chrono::seconds(seconds);
    }
    return bad;
}

std::string duration_text(std::chrono::seconds duration) {
    for (const Unit& unit : kUnits)
        if (duration.count() != 0 && duration.count() % unit.seconds == 0)
            return std::to_string(duration.count() / unit.seconds) + unit.letter;
    return "0s";
}

} // namespace xk
