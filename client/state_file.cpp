// SPDX-License-Identifier: MIT
#include "client/state_file.h"

#include "protocol/base/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace xk::client {
namespace {

constexpr std::size_t kMostStateBytes = 16384;

} // namespace

std::string state_directory() {
    const char* const xdg = std::getenv("XDG_STATE_HOME");
    if (xdg != nullptr && xdg[0] == '/')
        return std::string(xdg) + "/xknock";
    const char* const home = std::getenv("HOME");
    return home != nullptr && home[0] == '/' ? std::string(home) + "/.local/state/xknock" : std::string();
}

std::string made_state_directory() {
    const std::string directory = state_directory();
    if (directory.empty())
        return directory;
    // The last three parts, as far as they are missing (~/.local/state/xknock).
    const auto state = directory.rfind('/'), local = directory.rfind('/', state - 1);
    for (const std::size_t end : {local, state, directory.size()})
        if (end != std::string::npos && end > 0)
            ::mkdir(directory.substr(0, end).c_str(), 0700);
    return directory;
}

std::string read_state(const std::string& file) {
    const Fd fd(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != ::geteuid() ||
        (status.st_mode & 077) != 0)
        return {};
    std::string text(kMostStateBytes, '\0');
    const ssize_t size = ::read(fd.get(), text.data(), text.size());
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
}

void write_state(const std::string& file, const std::string& text) {
    std::string temporary = file + ".XXXXXX";
    const Fd fd(::mkostemp(temporary.data(), O_CLOEXEC)); // mode 0600
    if (!fd)
        return;
    if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::rename(temporary.c_str(), file.c_str()) != 0)
        ::unlink(temporary.c_str());
}

} // namespace xk::client
