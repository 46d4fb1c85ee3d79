// SPDX-License-Identifier: MIT
#include "client/prompt_lock.h"

#include "client/state_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace xk::client {
namespace {

constexpr std::size_t kMostLockBytes = 256;

// Somebody else's directory, or one that others can write, could hold us up for ever.
Fd own_directory(const std::string& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0 || status.st_uid != ::geteuid() || (status.st_mode & 022) != 0)
        return {};
    return fd;
}

Fd lock_directory() {
    if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime != nullptr && runtime[0] == '/') {
        const std::string path = std::string(runtime) + "/xknock";
        if (own_directory(runtime)) // "sudo -E" leaves us that of another user
            ::mkdir(path.c_str(), 0700);
        if (Fd fd = own_directory(path))
            return fd;
    }
    const std::string state = made_state_directory();
    return state.empty() ? Fd() : own_directory(state);
}

} // namespace

Taken PromptLock::take() {
    if (fd_)
        return Taken::by_us;
    const Fd directory = lock_directory();
    if (!directory)
        return Taken::impossible;
    Fd fd(::openat(directory.get(), name_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    if (!fd)
        return Taken::impossible;
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK || errno == EINTR ? Taken::by_another : Taken::impossible;
    fd_ = std::move(fd);
    return Taken::by_us;
}

std::string PromptLock::text() const {
    struct stat status {};
    std::string text(kMostLockBytes, '\0');
    if (!fd_ || ::fstat(fd_.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != ::geteuid() ||
        (status.st_mode & 077) != 0)
        return {};
    const ssize_t size = ::pread(fd_.get(), text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
}

// Empty first: who is killed in between leaves no mixture of two notes.
void PromptLock::write(const std::string& text) const {
    if (fd_ && ::ftruncate(fd_.get(), 0) == 0)
        (void)!::pwrite(fd_.get(), text.data(), text.size(), 0);
}

std::optional<std::string> terminal_lock_name(int tty) {
    unsigned device = 0; // /dev/tty is one file for all terminals
    if (::ioctl(tty, TIOCGDEV, &device) != 0)
        return {};
    return "terminal-" + std::to_string(device);
}

} // namespace xk::client
