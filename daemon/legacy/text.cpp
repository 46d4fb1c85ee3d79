// SPDX-License-Identifier: MIT
#include "daemon/legacy/text.h"

#include <sodium.h>

#include <algorithm>
#include <charconv>

namespace xk::legacy {

std::optional<std::size_t> decode_base64(std::string_view text, Base64 form, std::span<std::uint8_t> out) {
    // libsodium 1.0.18 takes some bytes above 0x7f for characters of the alphabet (protocol/encoding.cpp).
    if (std::any_of(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0x80) != 0; }))
        return std::nullopt;
    const int variant = form == Base64::unpadded ? sodium_base64_VARIANT_ORIGINAL_NO_PADDING
                        : form == Base64::padded ? sodium_base64_VARIANT_ORIGINAL
                                                 : sodium_base64_VARIANT_URLSAFE;
    std::size_t size = 0;
    const char* end = nullptr;
    if (sodium_base642bin(out.data(), out.size(), text.data(), text.size(), nullptr, &size, &end, variant) != 0 ||
        end != text.data() + text.size())
        return std::nullopt;
    return size;
}

bool is_digits(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::uint64_t> parse_number(std::string_view text, std::size_t most_digits) {
    if (text.empty() || text.size() > most_digits || !is_digits(text))
        return std::nullopt;
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    const auto value = parse_number(text, 5);
    if (!value || *value == 0 || *value > UINT16_MAX)
        return std::nullopt;
    return static_cast<std::uint16_t>(*value);
}

} // namespace xk::legacy
