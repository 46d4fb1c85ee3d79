// SPDX-License-Identifier: MIT
#include "daemon/config/secret_file.h"

#include "protocol/encoding.h"
#include "protocol/secret.h"

#include <unistd.h>

#include <cerrno>

namespace xk::config {
namespace {

constexpr std::size_t kMaxText = 512;

struct Text {
    char bytes[kMaxText];
};

// The file's one line without white space at its end; empty if it is too long or cannot be read.
std::string_view read_line(const Fd& fd, Secret<Text>& text) {
    std::size_t size = 0;
    for (;;) {
        const ssize_t n = ::read(fd.get(), text->bytes + size, kMaxText - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || size == kMaxText)
            return {};
        if (n == 0)
            break;
        size += static_cast<std::size_t>(n);
    }
    const std::string_view all(text->bytes, size);
    return all.substr(0, all.find_last_not_of(" \t\r\n") + 1);
}

} // namespace

bool read_key_file(const Fd& fd, Key& out) {
    Secret<Text> text;
    return from_base64(read_line(fd, text), out) && !all_zero(out);
}

bool read_factor_file(const Fd& fd, FactorKind kind, authz::FactorSecret& out) {
    Secret<Text> text;
    const std::string_view line = read_line(fd, text);
    if (kind == FactorKind::hmac) {
        out.size = 32;
        return from_base64(line, std::span(out.bytes).first<32>()) && !all_zero(out.bytes);
    }
    out.size = static_cast<std::uint32_t>(from_base32(line, out.bytes));
    return out.size >= kMinTotpSecret && !all_zero(out.bytes);
}

} // namespace xk::config
