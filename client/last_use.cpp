// SPDX-License-Identifier: MIT
#include "client/last_use.h"

#include "client/state_file.h"
#include "protocol/base/fd.h"
#include "protocol/base/secure_file.h"
#include "protocol/encoding.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>

namespace xk::client {
namespace {

std::string file_of(const Profile& profile) {
    const std::string directory = state_directory();
    return directory.empty() ? directory : directory + "/used/" + to_hex(profile.credential);
}

} // namespace

void remember_use(const Profile& profile, std::string_view outcome) {
    const std::string file = file_of(profile);
    if (file.empty())
        return;
    const auto directory = std::filesystem::path(file).parent_path();
    std::error_code ignored;
    std::filesystem::create_directories(directory.parent_path().parent_path(), ignored);
    ::mkdir(directory.parent_path().c_str(), 0700);
    ::mkdir(directory.c_str(), 0700);
    (void)write_file(file, outcome, 0600, true, {}, false).has_value();
}

std::optional<LastUse> last_use(const Profile& profile) {
    const Fd fd(::open(file_of(profile).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat st {};
    char word[16];
    if (!fd || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != ::geteuid())
        return std::nullopt;
    const ssize_t size = ::read(fd.get(), word, sizeof word);
    const std::string_view outcome(word, size > 0 ? static_cast<std::size_t>(size) : 0);
    if (outcome != kOpened && outcome != kFailed && outcome != kSent)
        return std::nullopt;
    return LastUse{std::chrono::system_clock::from_time_t(st.st_mtime), std::string(outcome)};
}

} // namespace xk::client
