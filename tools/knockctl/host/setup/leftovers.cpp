// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/setup/leftovers.h"

#include "protocol/base/directory.h"
#include "protocol/base/entries.h"

#include <sys/stat.h>

#include <algorithm>
#include <ctime>

namespace xk::tools::setup {

bool is_temporary(const std::string& name) {
    constexpr std::size_t kSuffix = 8;
    if (name.size() < kSuffix + 2 || name[name.size() - kSuffix - 1] != '.')
        return false;
    const std::string suffix = name.substr(name.size() - kSuffix), base = name.substr(0, name.size() - kSuffix - 1);
    return suffix.find_first_not_of("0123456789abcdef") == std::string::npos &&
           (base == "server_id" || base == "machines" || base == "state" ||
            std::ranges::any_of(std::initializer_list<const char*>{".yaml", ".key", ".otp", ".setup", ".before-setup"},
                                [&](const char* end) { return base.ends_with(end); }));
}

Result<void> remove_leftovers(const std::string& directory) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    std::error_code code; // a directory that is not there has no leftovers
    for (const auto& entry : entries_of(directory, code)) {
        struct stat info {};
        if (!is_temporary(entry.path().filename()) || ::lstat(entry.path().c_str(), &info) != 0 ||
            !S_ISREG(info.st_mode))
            continue;
        const timespec& then = info.st_ctim;
        if (now.tv_sec - then.tv_sec < 1 || (now.tv_sec - then.tv_sec == 1 && now.tv_nsec < then.tv_nsec))
            continue;
        if (auto gone = remove_file(entry.path(), true); !gone)
            return gone;
    }
    return {};
}

} // namespace xk::tools::setup
