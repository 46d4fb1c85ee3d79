// SPDX-License-Identifier: MIT
#include "daemon/monitor/secret_stamp.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

namespace xk {
namespace {

std::int64_t nanoseconds(const timespec& t) { return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; }

} // namespace

SecretStamps stamp_secrets(const config::SecretFiles& files, WallTime now, std::chrono::nanoseconds settled_after) {
    SecretStamps stamps;
    for (const std::string& path : {files.key, files.factor}) {
        if (path.empty())
            continue;
        struct stat s {};
        if (::stat(path.c_str(), &s) != 0)
            return {};
        SecretStamp stamp;
        stamp.device = s.st_dev;
        stamp.inode = s.st_ino;
        stamp.size = static_cast<std::uint64_t>(s.st_size);
        stamp.modified = nanoseconds(s.st_mtim);
        stamp.changed = nanoseconds(s.st_ctim);
        const auto age = std::chrono::nanoseconds(now.time_since_epoch()) -
                         std::chrono::nanoseconds(std::max(stamp.modified, stamp.changed));
        stamp.is_settled = age > settled_after;
        stamps.push_back(stamp);
    }
    return stamps;
}

bool are_unchanged(const SecretStamps& then, const SecretStamps& now) {
    return !then.empty() && std::ranges::equal(then, now, [](const SecretStamp& a, SecretStamp b) {
        b.is_settled = a.is_settled; // only the first stamp must be old enough
        return a.is_settled && a == b;
    });
}

} // namespace xk
