// SPDX-License-Identifier: MIT
#include "daemon/config/legacy_secret.h"

#include "daemon/config/secret_text.h"
#include "daemon/legacy/text.h"

#include <sodium.h>

#include <algorithm>
#include <optional>
#include <string_view>

namespace xk::config {
namespace {

constexpr std::string_view kBlank = " \t\r";

bool is_zero(ByteView bytes) { return sodium_is_zero(bytes.data(), bytes.size()) == 1; }

bool read_capyknock_key(std::string_view line, authz::LegacySecret& out) {
    const auto size = legacy::decode_base64(line, legacy::Base64::url_padded, out.key);
    out.key_size = sizeof out.key;
    return size == sizeof out.key && !is_zero(out.key);
}

// The value of one line: base64 with "=" as fwknop --key-gen prints it, or the text itself.
std::uint32_t read_value(std::string_view value, bool is_base64, std::span<std::uint8_t> out) {
    if (!is_base64) {
        if (value.size() > out.size())
            return 0;
        std::ranges::copy(value, out.begin());
        return static_cast<std::uint32_t>(value.size());
    }
    const auto size = legacy::decode_base64(value, legacy::Base64::padded, out);
    return size && !is_zero(out.first(*size)) ? static_cast<std::uint32_t>(*size) : 0;
}

// "HMAC_KEY_BASE64    x4Zl...". Each of the two keys once.
bool read_fwknop_line(std::string_view line, authz::LegacySecret& out) {
    const std::size_t end = std::min(line.find_first_of(kBlank), line.size());
    const std::string_view name = line.substr(0, end);
    std::string_view value = line.substr(end);
    value.remove_prefix(std::min(value.find_first_not_of(kBlank), value.size()));
    const bool is_base64 = name.ends_with("_BASE64");
    if (name == "KEY" || name == "KEY_BASE64")
        return out.key_size == 0 && (out.key_size = read_value(value, is_base64, out.key)) != 0;
    if (name == "HMAC_KEY" || name == "HMAC_KEY_BASE64")
        return out.hmac_key_size == 0 && (out.hmac_key_size = read_value(value, is_base64, out.hmac_key)) != 0;
    return false;
}

bool read_fwknop_keys(std::string_view text, authz::LegacySecret& out) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        line = line.substr(0, line.find_last_not_of(kBlank) + 1);
        if (!line.empty() && !read_fwknop_line(line, out))
            return false;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out.key_size != 0 && out.hmac_key_size != 0;
}

} // namespace

bool read_legacy_secret(const Fd& fd, authz::DeviceKind kind, authz::LegacySecret& out) {
    Secret<SecretText> memory;
    const std::string_view text = read_text(fd, memory);
    return kind == authz::DeviceKind::capyknock ? read_capyknock_key(text, out) : read_fwknop_keys(text, out);
}

} // namespace xk::config
