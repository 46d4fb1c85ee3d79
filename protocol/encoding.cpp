// SPDX-License-Identifier: MIT
#include "protocol/encoding.h"

#include <liboath/oath.h>

#include <algorithm>
#include <cstdlib>

namespace xk {

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
    if (oath_base32_encode(reinterpret_cast<const char*>(bytes.data()), bytes.size(), &text, &size) !=
        OATH_OK)
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
    if (any >= 0x80)
        return false;
    std::size_t size = 0;
    const char* end = nullptr;
    return sodium_base642bin(out.data(), out.size(), text.data(), text.size(), nullptr, &size, &end,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           size == out.size() && end == text.data() + text.size();
}

std::size_t from_base32(std::string_view text, std::span<std::uint8_t> out) {
    char* bytes = nullptr;
    std::size_t size = 0;
    if (oath_base32_decode(text.data(), text.size(), &bytes, &size) != OATH_OK)
        return 0;
    if (size <= out.size())
        std::copy_n(bytes, size, out.begin());
    sodium_memzero(bytes, size);
    std::free(bytes);
    return size <= out.size() ? size : 0;
}

} // namespace xk
