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

Result<void> read_capyknock_key(std::string_view line, authz::LegacySecret& out) {
    const auto size = legacy::decode_base64(line, legacy::Base64::url_padded, out.key);
    out.key_size = sizeof out.key;
    if (size == sizeof out.key && !is_zero(out.key))
        return {};
    return Error{"is not a key of capyknock", "one line: the base64url of 32 bytes, the client's \"udpkey\""};
}

// Reads the value of one line: base64 with "=" as fwknop --key-gen prints it, or the text itself.
Result<std::uint32_t> read_value(std::string_view value, bool is_base64, std::span<std::uint8_t> out) {
    if (!is_base64) {
        if (value.empty() || value.size() > out.size())
            return Error{"has " + std::to_string(value.size()) + " characters, and can have 1 to " +
                             std::to_string(out.size()),
                         {}};
        std::ranges::copy(value, out.begin());
        return static_cast<std::uint32_t>(value.size());
    }
    const auto size = legacy::decode_base64(value, legacy::Base64::padded, out);
    if (!size || *size == 0 || is_zero(out.first(*size)))
        return Error{"is not the base64 of 1 to " + std::to_string(out.size()) + " bytes", {}};
    return static_cast<std::uint32_t>(*size);
}

// One of the two keys, which may be there once. "HMAC_KEY_BASE64    x4Zl...".
Result<void> read_fwknop_line(std::string_view line, authz::LegacySecret& out) {
    const std::size_t end = std::min(line.find_first_of(kBlank), line.size());
    const std::string_view name = line.substr(0, end);
    std::string_view value = line.substr(end);
    value.remove_prefix(std::min(value.find_first_not_of(kBlank), value.size()));
    const bool is_key = name == "KEY" || name == "KEY_BASE64";
    if (!is_key && name != "HMAC_KEY" && name != "HMAC_KEY_BASE64")
        return Error{"is neither KEY nor HMAC_KEY, with or without _BASE64", {}};
    std::uint32_t& size = is_key ? out.key_size : out.hmac_key_size;
    const std::string kind = is_key ? "KEY" : "HMAC_KEY";
    if (size != 0)
        return Error{"is a second " + kind, "of a .fwknoprc with several servers, those of one stanza alone"};
    const auto read = is_key ? read_value(value, name.ends_with("_BASE64"), out.key)
                             : read_value(value, name.ends_with("_BASE64"), out.hmac_key);
    if (!read)
        return Error{kind + " " + read.error().message, {}};
    size = *read;
    return {};
}

Result<void> read_fwknop_keys(std::string_view text, authz::LegacySecret& out) {
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        line = line.substr(0, line.find_last_not_of(kBlank) + 1);
        if (!line.empty())
            if (auto read = read_fwknop_line(line, out); !read)
                return Error{"line " + std::to_string(number) + ": " + read.error().message, read.error().hint};
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (out.key_size != 0 && out.hmac_key_size != 0)
        return {};
    return Error{std::string("has no ") + (out.key_size == 0 ? "KEY" : "HMAC_KEY"),
                 "two lines, as the client's .fwknoprc has them: KEY_BASE64 or KEY, and HMAC_KEY_BASE64 or HMAC_KEY"};
}

} // namespace

Result<void> read_legacy_secret(const Fd& fd, authz::DeviceKind kind, authz::LegacySecret& out) {
    Secret<SecretText> memory;
    const std::string_view text = read_text(fd, memory);
    return kind == authz::DeviceKind::capyknock ? read_capyknock_key(text, out) : read_fwknop_keys(text, out);
}

} // namespace xk::config
