// SPDX-License-Identifier: MIT
//
// Text forms in the packets of old clients. Each value has one text form only: otherwise one packet has several forms
// on the wire, and a copy in another form is not recognised as a replay.
#pragma once

#include "protocol/base/bytes.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace xk::legacy {

enum class Base64 : std::uint8_t {
    unpadded,   // RFC 4648 section 4 without "="
    padded,     // section 4
    url_padded, // section 5 with "="
};

// The number of bytes. Nothing where the text has a character outside its alphabet, wrong padding or unused bits that
// are set, or where `out` has no room.
std::optional<std::size_t> decode_base64(std::string_view text, Base64 form, std::span<std::uint8_t> out);

constexpr std::size_t unpadded_size(std::size_t bytes) { return (bytes * 8 + 5) / 6; }

bool is_digits(std::string_view text);

// A decimal number of 1 to `most_digits` digits (no more than 18).
std::optional<std::uint64_t> parse_number(std::string_view text, std::size_t most_digits);

// 1 to 65535.
std::optional<std::uint16_t> parse_port(std::string_view text);

inline std::string_view text_of(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline ByteView bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

} // namespace xk::legacy
