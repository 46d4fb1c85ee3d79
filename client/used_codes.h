// SPDX-License-Identifier: MIT
//
// Which codes were sent lately. A server takes each code once, so a second knock with one only costs time. The file is
// $XDG_STATE_HOME/xknock/used-CREDENTIAL, mode 0600: a line "TIME HASH" for each code. The hash is keyed by the
// profile's key, so that the file says nothing to those who have it alone.
#pragma once

#include "client/profile.h"
#include "protocol/base/clock.h"

#include <chrono>
#include <optional>
#include <string>

namespace xk::client {

// So long a server may still take a code for a right one, and a little more.
inline constexpr std::chrono::seconds kCodeMayCount{90};

class UsedCodes {
  public:
    explicit UsedCodes(const Profile& profile) : profile_(profile) {}

    // How long ago the code was sent; nothing if it was not.
    std::optional<std::chrono::seconds> age(const std::string& code, WallTime now) const;
    void remember(const std::string& code, WallTime now) const;

  private:
    std::string hash(const std::string& code, std::int64_t time) const;

    const Profile& profile_;
};

// "used 12 s ago; the next one in 14 s"; without a time for HOTP, whose codes have none.
std::string used_words(std::chrono::seconds age, FactorKind factor, WallTime now);

// Time until the next step of codes begins, and a little more for the server's clock.
std::chrono::milliseconds until_next_step(WallTime now);

} // namespace xk::client
