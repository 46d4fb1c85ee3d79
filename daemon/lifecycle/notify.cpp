// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/notify.h"

#include "protocol/base/fd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <sstream>

namespace xk {

void notify(const std::string& state, int fd_to_send) {
    const char* const path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address{};
    const std::size_t size = path == nullptr ? 0 : std::strlen(path);
    if (size < 2 || size >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path, size);
    if (path[0] == '@') // the abstract name space
        address.sun_path[0] = '\0';
    const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
    iovec text{const_cast<char*>(state.data()), state.size()};
    msghdr message{};
    message.msg_name = &address;
    message.msg_namelen = length;
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd_to_send)] = {};
    if (fd_to_send >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* const c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd_to_send);
        std::memcpy(CMSG_DATA(c), &fd_to_send, sizeof fd_to_send);
    }
    (void)!::sendmsg(fd.get(), &message, MSG_NOSIGNAL);
}

Fd kept_descriptor(const std::string& name) {
    constexpr int kFirst = 3; // SD_LISTEN_FDS_START
    const char* const pid = std::getenv("LISTEN_PID");
    const char* const count = std::getenv("LISTEN_FDS");
    const char* const names = std::getenv("LISTEN_FDNAMES");
    if (pid == nullptr || count == nullptr || names == nullptr || std::to_string(::getpid()) != pid)
        return {};
    Fd found;
    std::istringstream list(names);
    int fd = kFirst;
    for (std::string each; fd - kFirst < std::strtol(count, nullptr, 10) && std::getline(list, each, ':'); ++fd) {
        Fd one(fd);
        if (each == name && !found && ::fcntl(one.get(), F_SETFD, FD_CLOEXEC) == 0)
            found = std::move(one);
    }
    for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})
        ::unsetenv(variable);
    return found;
}

} // namespace xk
