// SPDX-License-Identifier: MIT
#include "protocol/encoding.h"

#include <liboath/oath.h>

#include <algorithm>
#include <cstdlib>

namespace xk {
namespace {

constexpr char kBase32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; // RFC 4648 section 6

} // namespace

std::string to_hex(ByteView bytes) {
    std::string out(2 * bytes.size() + 1, '\0');
    sodium_bin2hex(out.data(), out.size(), bytes.data(), bytes.size());
    out.pop_back();
    return out;
}

std::string to_base64(ByteView bytes) {
    constexpr int kVariant = sodium_base64_VARIANT_ORIGINAL;
    std::string out(sodium_base64_encoded_len(bytes.size(), kVariant), '\0');
    sodium_bin2base64(out.data(), out.size(), bytes.data(), bytes.size(), kVariant);
    out.pop_back();
    return out;
}

std::string to_base32(ByteView bytes) {
    char* text = nullptr;
    std::size_t size = 0;
    if (oath_base32_encode(reinterpret_cast<const char*>(bytes.data()), bytes.size(), &text, &size) != OATH_OK)
        std::abort(); // out of memory
    std::string out(text, size);
    sodium_memzero(text, size);
    std::free(text);
    out.erase(out.find_last_not_of('=') + 1);
    return out;
}

bool from_base64(std::string_view text, std::span<std::uint8_t> out) {
    // libsodium 1.0.18 takes 0xc1, 0xab and 0xaf for "A", "+" and "/" where char is signed.
    unsigned char any = 0;
    for (const char c : text)
        any |= static_cast<unsigned char>(c);
    if ((any & 0x80) != 0)
        return false;
    std::size_t size = 0;
    const char* end = nullptr;
    return sodium_base642bin(out.data(), out.size(), text.data(), text.size(), nullptr, &size, &end,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           size == out.size() && end == text.data() + text.size();
}

// This does not use liboath, which leaves a copy of the secret on the heap.
std::size_t from_base32(std::string_view text, std::span<std::uint8_t> out) {
    const std::size_t digits = text.find_last_not_of('=') + 1; // the padding may be there or not (RFC 4648 section 3.2)
    std::uint32_t bits = 0;
    unsigned have = 0; // bits that wait for a whole byte
    std::size_t size = 0, read = 0;
    const auto refuse = [&] {
        sodium_memzero(out.data(), out.size());
        return std::size_t{0};
    };
    for (const char c : text.substr(0, digits)) {
        if (c == ' ')
            continue;
        const char upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        const char* const digit = std::char_traits<char>::find(kBase32, 32, upper);
        if (digit == nullptr)
            return refuse();
        ++read;
        bits = bits << 5 | static_cast<std::uint32_t>(digit - kBase32);
        if ((have += 5) < 8)
            continue;
        have -= 8;
        if (size == out.size())
            return refuse();
        out[size++] = static_cast<std::uint8_t>(bits >> have);
        bits &= (1u << have) - 1;
    }
    // No encoder writes a last digit that adds no byte, or bits behind the last byte (sections 3.5 and 6).
    const bool complete = have < 5 && bits == 0;
    const bool padded = digits == text.size() || (read + text.size() - digits) % 8 == 0;
    return complete && padded ? size : refuse();
}

} // namespace xk
