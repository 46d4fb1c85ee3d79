// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/bounded.h"

#include "protocol/base/fd.h"
#include "protocol/base/quote.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

namespace xk::tools {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kMaxEntries = 10000; // of one directory

// open(2) of a pipe would wait, and of a device may have effects.
constexpr int kReading = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

Result<std::string> read_up_to(int fd, std::size_t most) {
    std::string text(most, '\0');
    std::size_t have = 0;
    while (have < most) {
        const ssize_t n = ::read(fd, text.data() + have, most - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_error("reading");
        if (n == 0)
            break;
        have += static_cast<std::size_t>(n);
    }
    text.resize(have);
    return text;
}

// Opens the directory without following a link in the last `below` parts of its path.
Fd open_directory(const std::string& path, int below) {
    fs::path above = path;
    std::vector<std::string> parts;
    for (int i = 0; i < below && above.has_filename(); ++i) {
        parts.insert(parts.begin(), above.filename());
        above = above.parent_path();
    }
    Fd fd(::open(above.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY));
    for (const std::string& part : parts) {
        if (!fd)
            break;
        fd = Fd(::openat(fd.get(), part.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW));
    }
    return fd;
}

} // namespace

Result<std::string> read_of_root(const std::string& path, std::size_t most) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
        return Error{{}, {}};
    const Fd fd(::open(path.c_str(), kReading));
    if (!fd)
        return os_error("opening " + in_quotes(path));
    if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) // it was exchanged meanwhile
        return Error{{}, {}};
    if (info.st_uid != 0 || (info.st_mode & 022) != 0)
        return Error{in_quotes(path) + " is loaded as root and can be written by others: it was not looked at",
                     "chown root " + as_line(path) + " && chmod go-w " + as_line(path)};
    if (info.st_size < 0 || static_cast<std::uintmax_t>(info.st_size) > most)
        return Error{in_quotes(path) + " is larger than " + std::to_string(most) + " bytes: it was not looked at", {}};
    return read_up_to(fd.get(), most);
}

void each_beginning(const std::string& directory, int below, const std::string& suffix, std::size_t most,
                    const std::function<void(const Beginning&)>& act) {
    Fd fd = open_directory(directory, below);
    if (!fd)
        return;
    const int number = fd.get();
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(number), ::closedir);
    if (!entries)
        return;
    fd.release(); // it is the stream's now
    unsigned left = kMaxEntries;
    for (const dirent* entry = nullptr; left > 0 && (entry = ::readdir(entries.get())) != nullptr; --left) {
        const std::string name = entry->d_name;
        struct stat info {};
        // What is no regular file is not even opened.
        if (!name.ends_with(suffix) || ::fstatat(number, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(info.st_mode))
            continue;
        const Fd file(::openat(number, name.c_str(), kReading | O_NOFOLLOW));
        if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode))
            continue;
        if (const auto text = read_up_to(file.get(), most))
            act({name, *text, (info.st_mode & 077) != 0});
    }
}

} // namespace xk::tools
