// SPDX-License-Identifier: MIT
#include "daemon/xdp/forwarding.h"

#include "daemon/xdp/route_messages.h"

#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <utility>

namespace xk::xdp {
namespace {

constexpr const char* kListeningForForwarding = "listening for changes of forwarding";

int on_switch(const nlattr* attribute, void* on) {
    if (mnl_attr_get_type(attribute) == NETCONFA_FORWARDING && number_of<std::uint32_t>(attribute).value_or(0) != 0)
        *static_cast<bool*>(on) = true;
    return MNL_CB_OK;
}

} // namespace

bool says_forwarding(const nlmsghdr* message) {
    bool on = false;
    mnl_attr_parse(message, sizeof(netconfmsg), on_switch, &on);
    return on;
}

namespace {

// Whether any interface forwards packets of this family. A change that interrupts the dump also sends a notification,
// and update() then queries again.
Result<bool> query_family(std::uint8_t family) {
    bool on = false;
    auto whole = ask_route({RTM_GETNETCONF}, netconfmsg{family}, "asking whether this host forwards",
                           [&](const nlmsghdr* message) { on = on || says_forwarding(message); });
    if (!whole)
        return whole.error();
    return on;
}

} // namespace

Result<bool> Forwarding::query() {
    auto v4 = query_family(AF_INET);
    if (!v4 || *v4)
        return v4;
    auto v6 = query_family(AF_INET6);
    return v6 ? v6 : v4; // a kernel may be without IPv6
}

Result<Forwarding> Forwarding::open() {
    auto socket = open_route_socket({RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF}, kListeningForForwarding);
    if (!socket)
        return socket.error();
    Forwarding forwarding(*std::move(socket));
    auto on = query();
    if (!on)
        return on.error();
    forwarding.on_ = *on;
    return forwarding;
}

Result<bool> Forwarding::update() {
    auto notified = take_notifications(socket_.get(), kListeningForForwarding);
    if (!notified || !*notified)
        return notified;
    auto on = query();
    if (!on)
        return on.error();
    return std::exchange(on_, *on) != *on;
}

} // namespace xk::xdp
