// SPDX-License-Identifier: MIT
#include "protocol/base/secure_file.h"

#include "protocol/base/directory.h"
#include "protocol/base/quote.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>

namespace xk {
namespace {

Error refuse(const std::string& path, const std::string& what, std::string hint) {
    return Error{in_quotes(path) + " " + what, std::move(hint), Exit::configuration};
}

std::string octal(mode_t mode) {
    char text[8];
    std::snprintf(text, sizeof text, "%04o", static_cast<unsigned>(mode & 07777));
    return text;
}

bool trusted(uid_t owner, const FileRules& rules) { return owner == 0 || owner == rules.owner.value_or(::geteuid()); }

Result<void> check_file(const std::string& path, const struct stat& st, const FileRules& rules) {
    if (!S_ISREG(st.st_mode))
        return refuse(path, "is not a regular file", {});
    if (!trusted(st.st_uid, rules))
        return refuse(path, "belongs to uid " + std::to_string(st.st_uid), "chown root " + as_line(path));
    if (st.st_nlink != 1)
        return refuse(path, "has a second hard link", "copy it to a new file");
    if (st.st_mode & 022)
        return refuse(path, "can be written by others (mode " + octal(st.st_mode) + ")", "chmod go-w " + as_line(path));
    if (rules.secret) {
        const bool group_ok = rules.group && st.st_gid == *rules.group;
        if ((st.st_mode & 07) || ((st.st_mode & 070) && !group_ok))
            return refuse(path, "can be read by others (mode " + octal(st.st_mode) + ")",
                          rules.group ? "chgrp " + std::to_string(*rules.group) + " " + as_line(path) +
                                            " && chmod 0640 " + as_line(path)
                                      : "chmod 0600 " + as_line(path));
    }
    if (static_cast<std::size_t>(st.st_size) > rules.max_size)
        return refuse(path, "is larger than " + std::to_string(rules.max_size) + " bytes", {});
    return {};
}

Result<void> check_parents(const std::string& path, const FileRules& rules) {
    std::error_code code;
    const std::string named = path.substr(0, path.rfind('/') + 1);
    if (rules.checked_directories != nullptr && rules.checked_directories->contains(named))
        return {};
    auto directory = std::filesystem::weakly_canonical(path, code).parent_path();
    // Another user may be able to exchange a link in the path. Then the directory is checked again for each file.
    const bool has_no_link = directory.string() + "/" == named;
    for (;; directory = directory.parent_path()) {
        struct stat st {};
        if (::stat(directory.c_str(), &st) != 0)
            return os_error(in_quotes(directory.string()));
        if (!trusted(st.st_uid, rules))
            return refuse(directory.string(), "belongs to uid " + std::to_string(st.st_uid),
                          "chown root " + as_line(directory.string()));
        if ((st.st_mode & 022) && !(st.st_mode & S_ISVTX))
            return refuse(directory.string(), "can be written by others (mode " + octal(st.st_mode) + ")",
                          "chmod go-w " + as_line(directory.string()));
        if (directory != directory.parent_path())
            continue;
        if (rules.checked_directories != nullptr && has_no_link)
            rules.checked_directories->insert(named);
        return {};
    }
}

Result<std::string> read_all(const Fd& fd, const std::string& path, std::size_t limit) {
    std::string content;
    char chunk[4096];
    for (;;) {
        const ssize_t n = ::read(fd.get(), chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_error("reading " + in_quotes(path));
        if (n == 0)
            return content;
        content.append(chunk, static_cast<std::size_t>(n));
        if (content.size() > limit)
            return refuse(path, "grew while it was read", {});
    }
}

std::string random_suffix() {
    std::uint32_t number = 0;
    while (::getrandom(&number, sizeof number, 0) < 0 && errno == EINTR) {
    }
    char text[9];
    std::snprintf(text, sizeof text, "%08x", number);
    return text;
}

// Content, owner and mode of a new file. Returns what could not be done, with errno; empty: all is done.
std::string_view fill(const Fd& fd, std::string_view content, mode_t mode, std::optional<gid_t> group, bool sync,
                      std::optional<uid_t> owner) {
    for (std::string_view rest = content; !rest.empty();) {
        const ssize_t n = ::write(fd.get(), rest.data(), rest.size());
        if (n < 0 && errno != EINTR)
            return "writing";
        if (n > 0)
            rest.remove_prefix(static_cast<std::size_t>(n));
    }
    // It was made with 0600. The group is set first, and then the mode that gives the group access.
    if ((owner || group) &&
        ::fchown(fd.get(), owner.value_or(static_cast<uid_t>(-1)), group.value_or(static_cast<gid_t>(-1))) != 0)
        return "setting the owner of";
    if (::fchmod(fd.get(), mode) != 0)
        return "setting the mode of";
    return sync && ::fsync(fd.get()) != 0 ? "writing" : "";
}

// A file without a name gets its name in one step, so nothing is left of it where this process is killed before.
// Nothing where the file system has no such files (open(2), O_TMPFILE).
std::optional<Fd> open_nameless(int directory) {
    Fd fd(::openat(directory, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600));
    return fd ? std::optional(std::move(fd)) : std::nullopt;
}

bool give_name(const Fd& nameless, int directory, const char* name) {
    const std::string path = "/proc/self/fd/" + std::to_string(nameless.get());
    return ::linkat(AT_FDCWD, path.c_str(), directory, name, AT_SYMLINK_FOLLOW) == 0;
}

Result<void> sync_name(int directory, const std::string& path, const char* name, bool replace) {
    const Fd readable(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (readable && ::fsync(readable.get()) == 0)
        return {};
    Error error = os_error("writing the directory of " + in_quotes(path));
    if (!replace)
        ::unlinkat(directory, name, 0);
    return error;
}

} // namespace

Result<Fd> open_checked(const std::string& path, const FileRules& rules) {
    // O_NONBLOCK: a FIFO must not hold us here; it is refused just below.
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    if (!fd) {
        if (errno == ELOOP)
            return refuse(path, "is a symbolic link", "put the file itself there");
        Error error = os_error(in_quotes(path));
        error.exit = Exit::configuration;
        return error;
    }
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0)
        return os_error(in_quotes(path));
    if (auto ok = check_file(path, st, rules); !ok)
        return ok.error();
    if (auto ok = check_parents(path, rules); !ok)
        return ok.error();
    return fd;
}

Result<std::string> read_checked(const std::string& path, const FileRules& rules) {
    auto fd = open_checked(path, rules);
    if (!fd)
        return fd.error();
    return read_opened(*fd, path, rules);
}

Result<std::string> read_opened(const Fd& fd, const std::string& path, const FileRules& rules) {
    return read_all(fd, path, rules.max_size);
}

Result<void> write_file(const std::string& path, std::string_view content, mode_t mode, bool replace,
                        std::optional<gid_t> group, bool sync, std::optional<uid_t> owner) {
    auto entry = open_entry(path);
    if (!entry)
        return std::move(entry).error().within("creating a file beside " + in_quotes(path));
    const int directory = entry->directory.get();
    const char* const name = entry->name.c_str();
    if (!replace) {
        const auto nameless = open_nameless(directory);
        if (const auto failed = nameless ? fill(*nameless, content, mode, group, sync, owner) : ""; !failed.empty())
            return os_error(std::string(failed) + " " + in_quotes(path));
        if (nameless && give_name(*nameless, directory, name))
            return sync ? sync_name(directory, path, name, replace) : Result<void>();
        if (nameless && errno == EEXIST)
            return os_error("creating " + in_quotes(path));
    }
    const std::string temporary = entry->name + "." + random_suffix();
    // O_EXCL follows no link. From here on only the descriptor is used, so nobody gains by exchanging the name.
    const Fd fd(::openat(directory, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd)
        return os_error("creating a file beside " + in_quotes(path));
    const auto fail = [&](std::string_view what) {
        Error error = os_error(std::string(what) + " " + in_quotes(path));
        ::unlinkat(directory, temporary.c_str(), 0);
        return error;
    };
    if (const auto failed = fill(fd, content, mode, group, sync, owner); !failed.empty())
        return fail(failed);
    if (replace) {
        if (::renameat(directory, temporary.c_str(), directory, name) != 0)
            return fail("creating");
    } else {
        // linkat(2), because rename(2) would replace an existing file.
        if (::linkat(directory, temporary.c_str(), directory, name, 0) != 0)
            return fail("creating");
        ::unlinkat(directory, temporary.c_str(), 0);
    }
    return sync ? sync_name(directory, path, name, replace) : Result<void>();
}

} // namespace xk
