// SPDX-License-Identifier: MIT
#include "daemon/loop.h"

namespace xk {

Result<Loop> Loop::make() {
    Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll)
        return os_error("making an epoll");
    return Loop(std::move(epoll));
}

Result<void> Loop::watch(int fd, Callback callback, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
        return os_error("watching a descriptor");
    callbacks_[fd] = std::move(callback);
    return {};
}

void Loop::change(int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Loop::forget(int fd) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    callbacks_.erase(fd);
}

Result<void> Loop::run() {
    epoll_event events[16];
    while (!stopped_) {
        const int n = ::epoll_wait(epoll_.get(), events, std::size(events), -1);
        if (n < 0 && errno != EINTR)
            return os_error("waiting for events");
        for (int i = 0; i < n && !stopped_; ++i) {
            const auto found = callbacks_.find(events[i].data.fd);
            if (found == callbacks_.end())
                continue;                            // an earlier callback of this round has removed it
            const Callback callback = found->second; // a copy, because it may remove itself
            callback(events[i].events);
        }
    }
    return {};
}

} // namespace xk
