// SPDX-License-Identifier: MIT
#include "client/route_watch.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace xk::client {

Result<RouteWatch> RouteWatch::start() {
    Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
    if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return os_error("watching addresses and routes");
    return RouteWatch(std::move(fd));
}

bool RouteWatch::drain() {
    char message[8192];
    bool any = false;
    // ENOBUFS says that messages were lost, so something changed, and the next call goes on.
    while (::recv(fd_.get(), message, sizeof message, 0) >= 0 || errno == ENOBUFS || errno == EINTR)
        any = any || errno != EINTR;
    return any;
}

} // namespace xk::client
