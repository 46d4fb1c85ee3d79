// SPDX-License-Identifier: MIT
//
// The addresses of this host, kept current by rtnetlink: all are listed at first, and again after each notification.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/handle.h"
#include "protocol/base/result.h"

#include <libmnl/libmnl.h>

#include <optional>
#include <set>

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
    explicit OwnAddresses(mnl_socket* socket) : socket_(socket) {}
    static Result<std::set<Address>> list();
    static Result<std::optional<std::set<Address>>> list_once();

    Handle<mnl_socket, mnl_socket_close> socket_; // notifications only
    std::set<Address> addresses_;
};

} // namespace xk::xdp
