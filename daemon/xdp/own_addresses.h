// SPDX-License-Identifier: MIT
//
// The addresses of this host, kept current by rtnetlink: all are listed at first, and again after each notification.
#pragma once

#include "daemon/xdp/route_netlink.h"
#include "protocol/base/address.h"
#include "protocol/base/result.h"

#include <set>
#include <utility>

namespace xk::xdp {

class OwnAddresses {
  public:
    static Result<OwnAddresses> open();

    const std::set<Address>& all() const { return addresses_; }

    // Readable when something changed.
    int poll_fd() const { return mnl_socket_get_fd(socket_.get()); }

    // Reads notifications. True when the set has changed. Lost notifications (ENOBUFS) do no harm, because everything
    // is listed again.
    Result<bool> update();

  private:
    explicit OwnAddresses(RouteSocket socket) : socket_(std::move(socket)) {}
    static Result<std::set<Address>> list();

    RouteSocket socket_; // notifications only
    std::set<Address> addresses_;
};

} // namespace xk::xdp
