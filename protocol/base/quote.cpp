// SPDX-License-Identifier: MIT
#include "protocol/base/quote.h"

#include <algorithm>

namespace xk {
namespace {

bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

} // namespace

std::string printable(std::string_view text, std::size_t limit) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string out;
    for (const char c : text.substr(0, limit)) {
        if (c >= ' ' && c <= '~' && c != '\\') {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
    if (text.size() > limit)
        out += "...";
    return out;
}

std::string in_quotes(std::string_view text, std::size_t limit) {
    return '"' + printable(text, limit) + '"';
}

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= kMaxName && is_alnum(text.front()) &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

} // namespace xk
