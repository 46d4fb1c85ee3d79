// SPDX-License-Identifier: MIT
#include "daemon/config/account.h"

#include "protocol/base/quote.h"

#include <grp.h>
#include <pwd.h>

#include <charconv>
#include <cstdint>
#include <optional>

namespace xk::config {

namespace {

constexpr unsigned kNoChange = UINT32_MAX; // setresuid(2) and chown(2) change nothing for this id

// Nothing if the text is no number, or is kNoChange.
std::optional<unsigned> parse_id(std::string_view text) {
    unsigned number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || code != std::errc{} || end != text.data() + text.size() || number == kNoChange)
        return std::nullopt;
    return number;
}

} // namespace

Result<gid_t> find_group(std::string_view name) {
    if (const auto number = parse_id(name))
        return static_cast<gid_t>(*number);
    if (const auto* group = ::getgrnam(std::string(name).c_str()))
        return group->gr_gid;
    return Error{"there is no group " + in_quotes(name), {}};
}

Result<Account> find_account(std::string_view name) {
    const std::string text(name);
    if (const auto number = parse_id(name)) {
        const auto* entry = ::getpwuid(static_cast<uid_t>(*number));
        return Account{text, *number, entry != nullptr ? entry->pw_gid : *number};
    }
    if (const auto* entry = ::getpwnam(text.c_str()))
        return Account{text, entry->pw_uid, entry->pw_gid};
    return Error{"there is no user " + in_quotes(text), "systemd-sysusers makes it from sysusers.d/xknock.conf"};
}

} // namespace xk::config
