// SPDX-License-Identifier: MIT
//
// Text forms of ids and keys: hexadecimal for what people compare (ids), base64 for keys, base32 (RFC
// 4648, as authenticator applications use it) for TOTP secrets. Decoders accept exactly one form: no white space, the
// right length, nothing behind it. Where libsodium decodes a secret, no branch depends on it.
#pragma once

#include "protocol/base/bytes.h"
#include "protocol/secret.h"

#include <sodium.h>

#include <optional>
#include <string>
#include <string_view>

namespace xk {

std::string to_hex(ByteView bytes);
std::string to_base64(ByteView bytes);
std::string to_base32(ByteView bytes); // without "="

template <std::size_t N>
std::optional<Bytes<N>> from_hex(std::string_view text) {
    Bytes<N> out;
    std::size_t size = 0;
    const char* end = nullptr;
    if (text.size() != 2 * N || sodium_hex2bin(out.data(), N, text.data(), text.size(), nullptr, &size, &end) != 0 ||
        size != N || end != text.data() + text.size())
        return std::nullopt;
    return out;
}

// Into the caller's (locked) memory. False unless the text is the base64 of exactly `out`.
bool from_base64(std::string_view text, std::span<std::uint8_t> out);

// Into the caller's (locked) memory; upper or lower case, blanks between groups and "=" at the end are
// accepted, as authenticator applications show them. Returns the length, 0 when the text is not base32
// or does not fit.
std::size_t from_base32(std::string_view text, std::span<std::uint8_t> out);

} // namespace xk
