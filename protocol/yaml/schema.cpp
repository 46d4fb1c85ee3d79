// SPDX-License-Identifier: MIT
#include "protocol/yaml/schema.h"

#include <charconv>

namespace xk::yaml {

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t low, std::uint64_t high) {
    std::uint64_t number = 0;
    const char* const last = text.data() + text.size();
    const auto [end, code] = std::from_chars(text.data(), last, number);
    if (!text.empty() && code == std::errc{} && end == last && number >= low && number <= high)
        return number;
    return Error{in_quotes(text) + " is not a number from " + std::to_string(low) + " to " + std::to_string(high), {}};
}

} // namespace xk::yaml
