// SPDX-License-Identifier: MIT
//
// WipedText: a text with a secret in it. Its memory is wiped whenever it is freed, also where the text grows.
#pragma once

#include "protocol/secret.h"

#include <string>
#include <string_view>

namespace xk::tools {

// A standard string keeps a short text in itself, where no allocator sees it. So this is a vector.
class WipedText {
  public:
    WipedText() = default;
    explicit WipedText(std::string_view text) : bytes_(text.begin(), text.end()) {}
    // Takes the text over and wipes it.
    static WipedText from(std::string&& text) {
        WipedText own(text);
        sodium_memzero(text.data(), text.size());
        text.clear();
        return own;
    }

    WipedText& operator+=(std::string_view text) {
        bytes_.insert(bytes_.end(), text.begin(), text.end());
        return *this;
    }
    void resize(std::size_t size) { bytes_.resize(size); }
    char* data() { return bytes_.data(); }
    std::string_view view() const { return {bytes_.data(), bytes_.size()}; }
    std::size_t size() const { return bytes_.size(); }
    bool empty() const { return bytes_.empty(); }
    char& operator[](std::size_t i) { return bytes_[i]; }
    char operator[](std::size_t i) const { return bytes_[i]; }

  private:
    WipedVector<char> bytes_;
};

} // namespace xk::tools
