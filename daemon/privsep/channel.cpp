// SPDX-License-Identifier: MIT
#include "daemon/privsep/channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <cstring>

namespace xk::privsep {
namespace {

constexpr std::size_t kControlSize = CMSG_SPACE(kMaxFds * sizeof(int));

// Gives every descriptor of a message an owner before the message can be refused: none may stay open.
std::vector<Fd> own_fds(msghdr& message) {
    std::vector<Fd> fds;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            fds.emplace_back(fd);
        }
    }
    return fds;
}

} // namespace

Result<std::pair<Channel, Channel>> Channel::pair() {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
        return os_error("making the channel to the worker");
    return std::pair{Channel(Fd(fds[0])), Channel(Fd(fds[1]))};
}

Result<void> Channel::send(ByteView bytes, std::span<const int> fds) const {
    iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[kControlSize] = {};
    if (!fds.empty()) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr* const c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(c), fds.data(), fds.size_bytes());
    }
    const auto deadline = BootClock::now() + kPatience;
    while (::sendmsg(fd_.get(), &message, MSG_NOSIGNAL) < 0) {
        if (errno != EINTR && (errno != EAGAIN || BootClock::now() > deadline))
            return os_error("sending between xknockd and its worker");
        pollfd room{fd_.get(), POLLOUT, 0};
        if (errno == EAGAIN)
            ::poll(&room, 1, 1000);
    }
    return {};
}

Result<bool> Channel::try_send(ByteView bytes) const {
    iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
    msghdr message{}; // not send(2): the worker's sandbox has sendmsg(2) alone
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return true;
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ENOMEM)
        return false;
    return os_error("sending between two of our processes");
}

Result<std::optional<Received>> Channel::receive(bool wait) const {
    std::uint8_t buffer[kMaxMessage];
    iovec part{buffer, sizeof buffer};
    alignas(cmsghdr) char control[kControlSize];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t size;
    do
        size = ::recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
    while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN)
        return std::optional<Received>();
    if (size < 0 && errno == ECONNRESET)
        size = 0;
    if (size < 0)
        return os_error("receiving between xknockd and its worker");
    Received received;
    received.fds = own_fds(message);
    received.bytes.assign(buffer, buffer + size);
    ::explicit_bzero(buffer, static_cast<std::size_t>(size)); // before the message can be refused
    if (size == 0) {
        closed_ = true;
        return std::optional<Received>();
    }
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        return Error{"a message between xknockd and its worker is too long", {}, Exit::bug};
    return std::optional(std::move(received));
}

} // namespace xk::privsep
