// SPDX-License-Identifier: MIT
//
// What every fuzz target needs: a check that ends the run, a reader that turns the input into values, and a
// file to put text into. Knows nothing of what is tested.
#pragma once

#include "protocol/base/bytes.h"

#include <algorithm>
#include <concepts>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace xk::fuzz {

[[noreturn]] inline void broken(const char* property, const char* file, int line) {
    std::fprintf(stderr, "%s:%d: broken: %s\n", file, line, property);
    std::abort();
}

// The input from its front to its end. Whoever reads on behind the end gets zeros, so that every input means
// something and a shorter one means nearly the same.
class Input {
  public:
    Input(const std::uint8_t* data, std::size_t size) : left_(data, size) {}

    bool empty() const { return left_.empty(); }
    std::size_t size() const { return left_.size(); }

    template <std::size_t N>
    Bytes<N> bytes() {
        Bytes<N> out{};
        const auto front = take(N);
        std::copy(front.begin(), front.end(), out.begin());
        return out;
    }
    template <std::unsigned_integral T = std::uint8_t>
    T number() {
        return load_be<T>(bytes<sizeof(T)>());
    }
    bool flag() { return (number() & 1) != 0; }

    ByteView take(std::size_t most) {
        const ByteView front = left_.first(std::min(most, left_.size()));
        left_ = left_.subspan(front.size());
        return front;
    }
    ByteView rest() { return take(left_.size()); }

  private:
    ByteView left_;
};

inline std::string_view text_of(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// What may go to a log or a terminal: no character that ends a line or moves a cursor.
inline bool is_printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

} // namespace xk::fuzz

#define FUZZ_CHECK(property) ((property) ? static_cast<void>(0) : ::xk::fuzz::broken(#property, __FILE__, __LINE__))
