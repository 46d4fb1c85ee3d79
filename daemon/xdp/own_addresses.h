// SPDX-License-Identifier: MIT
//
// The addresses of this host, from rtnetlink, kept current: at first all of them, then whenever the kernel
// tells of a change.
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

    // Takes in what changed. True when the set is another one now. Messages that were lost (ENOBUFS) are
    // made good by asking for everything.
    Result<bool> update();

  private:
    explicit OwnAddresses(mnl_socket* socket) : socket_(socket) {}
    static Result<std::set<Address>> list();
    static Result<std::optional<std::set<Address>>> list_once();

    Handle<mnl_socket, mnl_socket_close> socket_; // notifications only
    std::set<Address> addresses_;
};

} // namespace xk::xdp
