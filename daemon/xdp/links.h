// SPDX-License-Identifier: MIT
//
// The network interfaces of this host by name. The kernel finds an interface by its alternative names too (Linux 5.5;
// of those, the ones with 15 characters at most).
#pragma once

#include "daemon/xdp/route_netlink.h"
#include "protocol/base/result.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace xk::xdp {

// Its index; 0 where there is none.
int index_of_interface(const std::string& name);
// The name that it has now; empty where there is none.
std::string name_of_interface(int ifindex);
// "lo, eth0": for the hint where one is mistyped.
std::string known_interfaces();
Error no_interface(const std::vector<std::string>& names); // none of these is there
// A line for each of these that is not there. An error where none of them is.
Result<std::vector<std::string>> missing_interfaces(const std::vector<std::string>& names);

// What a message of the kernel says of one interface: the one that it is a part of, and the one below it; 0: none.
struct Relation {
    std::uint32_t master = 0, link = 0;
    bool elsewhere = false; // `link` is in another network namespace
};
Relation relation_of(const nlmsghdr* message);

// The interfaces that it is made of: a bridge's ports, a bond's slaves, the interface below a VLAN. For a veth pair in
// one network namespace it is the other end.
std::vector<std::string> interfaces_below(const std::string& name);

// Notices when an interface comes, goes, or changes (rtnetlink(7), RTNLGRP_LINK).
class LinkWatch {
  public:
    static Result<LinkWatch> open();

    int poll_fd() const { return mnl_socket_get_fd(socket_.get()); }

    // Reads notifications. True when something may have changed, also where notifications were lost (ENOBUFS).
    Result<bool> update();

  private:
    explicit LinkWatch(RouteSocket socket) : socket_(std::move(socket)) {}

    RouteSocket socket_;
};

} // namespace xk::xdp
