// SPDX-License-Identifier: MIT
#include "protocol/base/quote.h"

#include <algorithm>

namespace xk {
namespace {

bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// Writes as \xNN every byte that is neither printable ASCII nor one of `kept`, and those of `refused`.
std::string escaped(std::string_view text, std::string_view kept, std::string_view refused) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string out;
    for (const char c : text) {
        if (kept.find(c) != kept.npos || (c >= ' ' && c <= '~' && refused.find(c) == refused.npos)) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
    return out;
}

} // namespace

std::string printable(std::string_view text, std::size_t limit) {
    return escaped(text.substr(0, limit), {}, "\\") + (text.size() > limit ? "..." : "");
}

std::string as_line(std::string_view text) { return escaped(text, {}, {}); }
std::string as_lines(std::string_view text) { return escaped(text, "\n", {}); }

std::string in_quotes(std::string_view text, std::size_t limit) { return '"' + printable(text, limit) + '"'; }

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= kMaxName && is_alnum(text.front()) &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

} // namespace xk
