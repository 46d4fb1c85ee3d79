// SPDX-License-Identifier: MIT
//
// Fixed-size byte strings and big-endian fields in them. Nothing here allocates or can fail: the
// sizes are in the types, so a wrong one does not compile.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace xk {

template <std::size_t N>
using Bytes = std::array<std::uint8_t, N>;

using ByteView = std::span<const std::uint8_t>;

// The N bytes of `from` that begin at Offset; both are checked at compile time.
template <std::size_t Offset, std::size_t N, typename T, std::size_t Size>
constexpr std::span<T, N> field(std::span<T, Size> from) {
    static_assert(Size != std::dynamic_extent && Offset + N <= Size);
    return from.template subspan<Offset, N>();
}

template <std::unsigned_integral T>
constexpr void store_be(std::span<std::uint8_t, sizeof(T)> to, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i)
        to[i] = static_cast<std::uint8_t>(value >> (8 * (sizeof(T) - 1 - i)));
}

template <std::unsigned_integral T>
constexpr T load_be(std::span<const std::uint8_t, sizeof(T)> from) {
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
        value = static_cast<T>((static_cast<std::uint64_t>(value) << 8) | from[i]);
    return value;
}

constexpr bool all_zero(ByteView bytes) {
    std::uint8_t any = 0;
    for (const std::uint8_t b : bytes)
        any |= b;
    return any == 0;
}

} // namespace xk
