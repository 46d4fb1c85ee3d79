// SPDX-License-Identifier: MIT
//
// Whether this host forwards packets of others, kept current by rtnetlink (RTM_GETNETCONF). Where it does, connection
// tracking may translate a client's address into ours and keep its source port. The answers then come to that port of
// ours, and it may be the knock port.
#pragma once

#include "daemon/xdp/route_netlink.h"
#include "protocol/base/result.h"

#include <utility>

namespace xk::xdp {

// Whether this message of the kernel says that an interface forwards.
bool says_forwarding(const nlmsghdr* message);

class Forwarding {
  public:
    static Result<Forwarding> open();

    // Whether this host forwards IPv4 or IPv6 from any interface.
    bool is_on() const { return on_; }

    // Readable when something changed.
    int poll_fd() const { return mnl_socket_get_fd(socket_.get()); }

    // Reads notifications. True when is_on() has changed.
    Result<bool> update();

  private:
    explicit Forwarding(RouteSocket socket) : socket_(std::move(socket)) {}
    static Result<bool> query();

    RouteSocket socket_; // notifications only
    bool on_ = false;
};

} // namespace xk::xdp
