// SPDX-License-Identifier: MIT
#include "protocol/base/directory.h"

#include "protocol/base/quote.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstring>
#include <deque>
#include <memory>
#include <string_view>

namespace xk {
namespace {

constexpr int kMostLinks = 40; // as the kernel

// Puts the parts of a path in front of the parts that are left.
void put_parts(std::string_view path, std::deque<std::string>& parts) {
    std::deque<std::string> found;
    for (std::size_t end = 0; end != path.npos; path.remove_prefix(end == path.npos ? 0 : end + 1)) {
        end = path.find('/');
        if (const auto part = path.substr(0, end); !part.empty() && part != ".")
            found.emplace_back(part);
    }
    parts.insert(parts.begin(), found.begin(), found.end());
}

Fd begin_of(std::string_view path) {
    return Fd(::open(path.starts_with('/') ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

// Follows the link: puts its parts in front of the others. Nothing where it is relative to its own directory.
Result<std::optional<Fd>> follow(const Fd& link, const struct stat& st, const std::string& path,
                                 std::deque<std::string>& parts) {
    if (st.st_uid != 0 && st.st_uid != ::geteuid())
        return Error{"a part of " + in_quotes(path) + " is a symbolic link of user " + std::to_string(st.st_uid),
                     "name the directory itself"};
    char target[PATH_MAX];
    const ssize_t size = ::readlinkat(link.get(), "", target, sizeof target);
    if (size < 0)
        return os_error("following a link in " + in_quotes(path));
    const std::string_view to(target, static_cast<std::size_t>(size));
    put_parts(to, parts);
    if (!to.starts_with('/'))
        return std::optional<Fd>();
    return std::optional<Fd>(begin_of(to));
}

Fd reopen(const Fd& directory) { return Fd(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }

bool is_empty(const Fd& directory) {
    Fd copy = reopen(directory);
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(copy ? ::fdopendir(copy.get()) : nullptr, ::closedir);
    if (!entries)
        return false;
    copy.release(); // the stream owns it now
    errno = 0;
    while (const dirent* entry = ::readdir(entries.get()))
        if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0)
            return false;
    return errno == 0;
}

Error not_given(const std::string& path, uid_t uid) {
    return os_error("giving " + in_quotes(path) + " to user " + std::to_string(uid));
}

// Opens it with O_PATH, to work in it: we may have no right to read it.
Result<Fd> walk_to(const std::string& path) {
    std::deque<std::string> parts;
    put_parts(path, parts);
    Fd at = begin_of(path);
    for (int links = 0; at && !parts.empty();) {
        Fd next(::openat(at.get(), parts.front().c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        struct stat st {};
        if (!next || ::fstat(next.get(), &st) != 0)
            return os_error("opening " + in_quotes(path));
        parts.pop_front();
        if (!S_ISLNK(st.st_mode)) {
            at = std::move(next);
            continue;
        }
        if (++links > kMostLinks)
            return os_error_of(ELOOP, "opening " + in_quotes(path));
        auto from = follow(next, st, path, parts);
        if (!from)
            return from.error();
        if (*from)
            at = **std::move(from);
    }
    if (!at)
        return os_error("opening " + in_quotes(path));
    return at;
}

} // namespace

Result<Fd> open_directory(const std::string& path) {
    auto at = walk_to(path);
    if (!at)
        return at.error();
    Fd directory = reopen(*at);
    if (!directory)
        return os_error("opening " + in_quotes(path));
    return directory;
}

Result<Entry> open_entry(const std::string& path) {
    const auto last = path.find_last_not_of('/');
    const std::string whole = path.substr(0, last == path.npos ? 0 : last + 1);
    const auto slash = whole.rfind('/');
    const std::string name = whole.substr(slash == whole.npos ? 0 : slash + 1);
    if (name.empty() || name == "." || name == "..")
        return Error{in_quotes(path) + " names nothing in a directory", {}};
    auto directory = walk_to(slash == whole.npos ? "." : whole.substr(0, slash + 1));
    if (!directory)
        return directory.error();
    return Entry{*std::move(directory), name};
}

Result<void> create_directory(const std::string& path, mode_t mode, std::optional<uid_t> uid,
                              std::optional<gid_t> gid) {
    auto entry = open_entry(path);
    if (!entry)
        return entry.error();
    if (::mkdirat(entry->directory.get(), entry->name.c_str(), mode & 0700) != 0)
        return errno == EEXIST ? Result<void>() : os_error("making directory " + in_quotes(path));
    const Fd made(
        ::openat(entry->directory.get(), entry->name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!made || ::fchmod(made.get(), mode) != 0)
        return os_error("making directory " + in_quotes(path));
    if ((uid || gid) &&
        ::fchown(made.get(), uid.value_or(static_cast<uid_t>(-1)), gid.value_or(static_cast<gid_t>(-1))) != 0)
        return os_error("giving " + in_quotes(path) + " to its owner");
    return {};
}

Result<void> make_directory(const std::string& path, mode_t mode, uid_t uid, gid_t gid) {
    auto entry = open_entry(path);
    if (!entry)
        return entry.error();
    const bool made = ::mkdirat(entry->directory.get(), entry->name.c_str(), mode & 0700) == 0;
    if (!made && errno != EEXIST)
        return os_error("making directory " + in_quotes(path));
    const Fd own(
        ::openat(entry->directory.get(), entry->name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat st {
    }, above{};
    if (!own && (errno == ENOTDIR || errno == ELOOP))
        return Error{in_quotes(path) + " is not a directory", {}};
    if (!own || ::fstat(own.get(), &st) != 0 || (made && ::fchmod(own.get(), mode) != 0))
        return os_error("opening " + in_quotes(path));
    if (st.st_uid == uid)
        return {};
    // Never give away the root of a file system, or a directory that others use.
    if (!made && (::fstat(entry->directory.get(), &above) != 0 || above.st_dev != st.st_dev || !is_empty(own)))
        return Error{in_quotes(path) + " belongs to somebody else (user " + std::to_string(st.st_uid) +
                         ") and is in use",
                     "a directory of its own is wanted", Exit::configuration};
    return ::fchown(own.get(), uid, gid) == 0 ? Result<void>() : not_given(path, uid);
}

Result<void> remove_file(const std::string& path, bool sync) {
    auto entry = open_entry(path);
    if (!entry)
        return entry.error();
    if (::unlinkat(entry->directory.get(), entry->name.c_str(), 0) != 0 && errno != ENOENT)
        return os_error("removing " + in_quotes(path));
    const Fd directory = sync ? reopen(entry->directory) : Fd();
    if (sync && (!directory || ::fsync(directory.get()) != 0))
        return os_error("removing " + in_quotes(path));
    return {};
}

} // namespace xk
