// SPDX-License-Identifier: MIT
#include "client/pass_socket.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cstring>

namespace xk::client {

Result<void> check_can_pass(int output) {
    int family = 0;
    socklen_t size = sizeof family;
    if (::getsockopt(output, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_UNIX)
        return {};
    return Error{"--fdpass is for ssh alone: standard output is no socket that takes a connection",
                 "write \"ProxyUseFdpass yes\" beside the ProxyCommand, or leave --fdpass out", Exit::usage};
}

Result<void> pass_socket(const Fd& socket, int output) {
    // Whoever gets the socket expects one that blocks, as from connect(2).
    const int flags = ::fcntl(socket.get(), F_GETFL);
    if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags & ~O_NONBLOCK) < 0)
        return os_error("preparing the connection for ssh");
    char byte = 0;
    iovec data{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = socket.get();
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    ssize_t sent;
    do
        sent = ::sendmsg(output, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == 1 ? Result<void>() : os_error("passing the connection to ssh");
}

} // namespace xk::client
