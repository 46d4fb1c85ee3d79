// SPDX-License-Identifier: MIT
#include "client/attempts.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace xk::client {
namespace {

constexpr std::size_t kMostPending = 64;

} // namespace

void Attempts::begin(const Place& to, std::uint16_t port, const std::optional<Address>& local, std::size_t tag) {
    const Clock::time_point now = Clock::now();
    Fd fd(::socket(to.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_storage address;
    if (fd && local && local->is_grantable()) { // a link-local one follows from the zone
        const int on = 1;
        ::setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        const socklen_t size = local->to_sockaddr(address, 0);
        if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
            return void(failures_.push_back({tag, errno, now}));
    }
    const socklen_t size = to.to_sockaddr(address, port);
    if (!fd || (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 && errno != EINPROGRESS))
        return void(failures_.push_back({tag, errno, now}));
    if (pending_.size() == kMostPending)
        pending_.erase(pending_.begin());
    pending_.push_back({std::move(fd), tag, now});
}

std::optional<Fd> Attempts::wait_for_answer(std::chrono::nanoseconds time, std::initializer_list<int> others) {
    std::vector<pollfd> fds;
    for (const Try& one : pending_)
        fds.push_back({one.fd.get(), POLLOUT, 0});
    for (const int other : others)
        fds.push_back({other, POLLIN, 0});
    time = std::max(time, std::chrono::nanoseconds(0));
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const timespec left{static_cast<time_t>(seconds.count()), static_cast<long>((time - seconds).count())};
    if (::ppoll(fds.data(), fds.size(), &left, nullptr) <= 0)
        return std::nullopt;
    // The oldest first: of two that stand the server has accepted it first.
    std::vector<Try> still;
    std::optional<Fd> standing;
    for (std::size_t i = 0; i < pending_.size(); ++i) {
        int failure = 0;
        socklen_t size = sizeof failure;
        if (fds[i].revents != 0 && !standing)
            ::getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR, &failure, &size);
        if (fds[i].revents == 0 || standing)
            still.push_back(std::move(pending_[i]));
        else if (failure != 0)
            failures_.push_back({pending_[i].tag, failure, pending_[i].begun});
        else
            standing = std::move(pending_[i].fd);
    }
    pending_ = std::move(still);
    if (standing)
        pending_.clear(); // at once, so that the server's program sees no other connection
    return standing;
}

bool Attempts::is_silent(std::size_t tag, Clock::time_point begun_before) const {
    return std::any_of(pending_.begin(), pending_.end(),
                       [&](const Try& one) { return one.tag == tag && one.begun < begun_before; });
}

Attempts::Clock::duration Attempts::silence(std::size_t tag) const {
    const auto oldest = std::find_if(pending_.begin(), pending_.end(), [&](const Try& one) { return one.tag == tag; });
    return oldest == pending_.end() ? Clock::duration(0) : Clock::now() - oldest->begun;
}

std::optional<Fd> Attempts::wait(std::chrono::milliseconds time) {
    const Clock::time_point deadline = Clock::now() + time;
    do
        if (auto fd = wait_for_answer(deadline - Clock::now()))
            return fd;
    while (Clock::now() < deadline);
    return std::nullopt;
}

} // namespace xk::client
