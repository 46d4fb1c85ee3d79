// SPDX-License-Identifier: MIT
#include "client/ssh_files.h"

#include "protocol/base/directory.h"
#include "protocol/base/entries.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace xk::client {
namespace {

namespace fs = std::filesystem;

constexpr const char* kByHand = "or write this line at its top yourself: Include xknock.d/*.conf";

Error by_hand(Error error) {
    error.hint += (error.hint.empty() ? "" : ", ") + std::string(kByHand);
    return error;
}

// The file itself, behind all links. Nothing where there is none.
Result<std::optional<std::string>> real_path(const std::string& path) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0)
        return errno == ENOENT ? Result(std::optional<std::string>()) : by_hand(os_error(in_quotes(path)));
    std::error_code code;
    const fs::path real = fs::canonical(path, code);
    if (code)
        return by_hand(os_error_of(code.value(), in_quotes(path) + " is a link that leads nowhere"));
    return std::optional(real.string());
}

} // namespace

Result<SshFiles> SshFiles::of_this_user() {
    const passwd* const entry = ::getpwuid(::getuid());
    if (entry == nullptr || entry->pw_dir == nullptr || entry->pw_dir[0] != '/')
        return Error{"this user has no home directory where ssh would look for its configuration", {}};
    return SshFiles(std::string(entry->pw_dir) + "/.ssh");
}

Result<std::optional<std::string>> SshFiles::read_config() const {
    auto real = real_path(config());
    if (!real)
        return real.error();
    if (!*real)
        return std::optional<std::string>();
    FileRules
        rules; // nobody else may write it, nor reach it by another name: ssh would refuse it, or we break that name
    rules.max_size = 4 * 1024 * 1024;
    auto text = read_checked(**real, rules);
    if (!text)
        return by_hand(text.error());
    struct stat st {};
    if (::stat((*real)->c_str(), &st) != 0)
        return os_error(in_quotes(**real));
    if (st.st_uid != ::geteuid()) // it would become ours
        return by_hand(Error{in_quotes(**real) + " belongs to uid " + std::to_string(st.st_uid), {}});
    return std::optional(*std::move(text));
}

Result<void> SshFiles::write_config(const std::string& text) const {
    auto real = real_path(config());
    if (!real)
        return real.error();
    struct stat st {};
    st.st_mode = 0600;
    const std::string path = real->value_or(config());
    if (*real && ::stat(path.c_str(), &st) != 0)
        return os_error(in_quotes(path));
    const std::optional<gid_t> group = *real ? std::optional(st.st_gid) : std::nullopt;
    auto done = write_file(path, text, st.st_mode & 07777, real->has_value(), group);
    return done ? done : by_hand(done.error());
}

Result<void> SshFiles::remove_config() const {
    std::error_code code;
    // The link is the user's own, and what it leads to would keep our line.
    if (fs::is_symlink(config(), code))
        return write_config("");
    return remove_file(config(), true);
}

Result<void> SshFiles::write_host(const std::string& host, const std::string& text) const {
    for (const std::string& directory : {directory_, hosts()})
        if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
            return os_error("making " + in_quotes(directory));
    const std::string file = host_file(host);
    FileRules rules;
    if (const auto old = read_checked(file, rules); old && *old == text)
        return {};
    return write_file(file, text, 0600, true);
}

Result<void> SshFiles::remove_host(const std::string& host) const {
    struct stat st {};
    if (::stat(hosts().c_str(), &st) != 0)
        return {};
    if (auto done = remove_file(host_file(host), true); !done)
        return done;
    ::rmdir(hosts().c_str()); // fails where something is left in it, as it should
    return {};
}

Result<bool> SshFiles::has_other_hosts(const std::string& host) const {
    std::error_code code;
    for (const auto& entry : entries_of(hosts(), code))
        if (entry.path().extension() == ".conf" && entry.path().filename() != host + ".conf")
            return true;
    if (code && code != std::errc::no_such_file_or_directory)
        return os_error_of(code.value(), in_quotes(hosts()));
    return false;
}

} // namespace xk::client
