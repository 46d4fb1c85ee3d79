// SPDX-License-Identifier: MIT
#include "daemon/config/secret_file.h"

#include "daemon/config/secret_text.h"
#include "protocol/encoding.h"
#include "protocol/secret.h"

#include <unistd.h>

#include <cerrno>

namespace xk::config {
std::string_view read_text(const Fd& fd, Secret<SecretText>& memory) {
    std::size_t size = 0;
    for (;;) {
        const ssize_t n = ::read(fd.get(), memory->bytes + size, kMostSecretText - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || size == kMostSecretText)
            return {};
        if (n == 0)
            break;
        size += static_cast<std::size_t>(n);
    }
    const std::string_view all(memory->bytes, size);
    return all.substr(0, all.find_last_not_of(" \t\r\n") + 1);
}

bool read_key_file(const Fd& fd, Key& out) {
    Secret<SecretText> text;
    return from_base64(read_text(fd, text), out) && !all_zero(out);
}

bool read_factor_file(const Fd& fd, FactorKind kind, authz::FactorSecret& out) {
    Secret<SecretText> text;
    const std::string_view line = read_text(fd, text);
    if (kind == FactorKind::hmac) {
        out.size = 32;
        return from_base64(line, std::span(out.bytes).first<32>()) && !all_zero(out.bytes);
    }
    out.size = static_cast<std::uint32_t>(from_base32(line, out.bytes));
    return out.size >= kMinTotpSecret && !all_zero(out.bytes);
}

} // namespace xk::config
