// SPDX-License-Identifier: MIT
#include "daemon/control/peer.h"

#include "protocol/base/fd.h"
#include "protocol/base/quote.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>
#include <vector>

namespace xk::control {
namespace {

bool is_member(int fd, const ucred& peer, gid_t group) {
    if (peer.gid == group)
        return true;
    std::vector<gid_t> groups(64);
    socklen_t size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    int failed = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
    if (failed != 0 && errno == ERANGE) { // the kernel stored the size that it needs
        groups.resize(size / sizeof(gid_t));
        failed = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
    }
    if (failed != 0)
        return false;
    const auto end = groups.begin() + static_cast<std::ptrdiff_t>(size / sizeof(gid_t));
    return std::find(groups.begin(), end, group) != end;
}

Role role_of(int fd, const ucred& peer, const Groups& groups) {
    if (peer.uid == 0 || peer.uid == ::geteuid())
        return Role::admin;
    if (groups.admin && is_member(fd, peer, *groups.admin))
        return Role::admin;
    if (groups.reader && is_member(fd, peer, *groups.reader))
        return Role::reader;
    return Role::none;
}

std::optional<uid_t> read_login_uid(pid_t pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/loginuid";
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    char text[16];
    const ssize_t n = file ? ::read(file.get(), text, sizeof text) : -1;
    return n > 0 ? parse_login_uid({text, static_cast<std::size_t>(n)}) : std::nullopt;
}

} // namespace

std::string find_user_name(uid_t uid, const char* passwd_file) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(passwd_file, "re"), std::fclose);
    passwd entry{};
    passwd* found = nullptr;
    char memory[4096];
    while (file && ::fgetpwent_r(file.get(), &entry, memory, sizeof memory, &found) == 0)
        if (found->pw_uid == uid)
            return printable(found->pw_name);
    return {};
}

std::optional<uid_t> parse_login_uid(const std::string& text) {
    uid_t uid = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, uid);
    if (error != std::errc() || (rest != end && *rest != '\n') || uid == static_cast<uid_t>(-1))
        return std::nullopt;
    return uid;
}

Peer find_peer(int fd, const Groups& groups) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return {};
    Peer found{role_of(fd, peer, groups), peer.uid, peer.pid, std::nullopt, {}, {}};
    if (found.role != Role::admin)
        return found;
    if (peer.pid > 0)
        found.login_uid = read_login_uid(peer.pid);
    found.name = find_user_name(found.uid);
    if (found.login_uid && *found.login_uid != found.uid)
        found.login_name = find_user_name(*found.login_uid);
    return found;
}

} // namespace xk::control
