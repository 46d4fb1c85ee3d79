// SPDX-License-Identifier: MIT
//
// By its SecretStamp a reload knows whether a file with a secret is still the one that the worker has read. xknockd
// never reads such a file. The stamp is taken before the file is handed over, so a change during the hand-over is
// noticed.
#pragma once

#include "daemon/config/config.h"
#include "protocol/base/clock.h"

#include <cstdint>
#include <vector>

namespace xk {

struct SecretStamp {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t modified = 0, changed = 0; // ns since 1970, by the file system's clock
    // A file system's clock moves in steps of up to 10 ms, on some of one second. A file that was written just now may
    // be written again with the same times, so its stamp equals no other one.
    bool is_settled = false;

    bool operator==(const SecretStamp&) const = default;
};

inline constexpr std::chrono::nanoseconds kSettledAfter = std::chrono::seconds(2);

// The stamps of one credential's files, in the order of config::open_secrets(). Empty if stat(2) fails for one of them.
using SecretStamps = std::vector<SecretStamp>;
SecretStamps stamp_secrets(const config::SecretFiles& files, WallTime now,
                           std::chrono::nanoseconds settled_after = kSettledAfter);

// Whether the files still have the content that was read when `then` was taken.
bool are_unchanged(const SecretStamps& then, const SecretStamps& now);

} // namespace xk
