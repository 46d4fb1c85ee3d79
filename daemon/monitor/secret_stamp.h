// SPDX-License-Identifier: MIT
//
// SecretStamp: by what a reload sees that a file with a secret is the one that was read, without reading it (xknockd
// never does). It is of the file before it is handed over, so that a change while it is read is a change.
#pragma once

#include "daemon/config/config.h"
#include "protocol/base/clock.h"

#include <cstdint>
#include <vector>

namespace xk {

struct SecretStamp {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t modified = 0, changed = 0; // ns since 1970, of the file system
    // A file system's clock moves in steps of up to 10 ms, on some of one second: a file that was written just before
    // may be written once more with the same times. Such a stamp is equal to none.
    bool is_settled = false;

    bool operator==(const SecretStamp&) const = default;
};

inline constexpr std::chrono::nanoseconds kSettledAfter = std::chrono::seconds(2);

// Of the files of one credential, in the order of config::open_secrets(); empty where one cannot be looked at.
using SecretStamps = std::vector<SecretStamp>;
SecretStamps stamp_secrets(const config::SecretFiles& files, WallTime now,
                           std::chrono::nanoseconds settled_after = kSettledAfter);

// Whether what was read then is what the files hold now.
bool are_unchanged(const SecretStamps& then, const SecretStamps& now);

} // namespace xk
