// SPDX-License-Identifier: MIT
//
// When and how each profile was used last, for "ls": a file with one word in $XDG_STATE_HOME/xknock/used, named by the
// credential. It is a hint: no fault of it keeps anybody out.
#pragma once

#include "client/profile.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace xk::client {

struct LastUse {
    std::chrono::system_clock::time_point time;
    std::string outcome; // one of the words below
};

inline constexpr std::string_view kOpened = "opened", kFailed = "failed", kSent = "sent";

void remember_use(const Profile& profile, std::string_view outcome);
std::optional<LastUse> last_use(const Profile& profile);

} // namespace xk::client
