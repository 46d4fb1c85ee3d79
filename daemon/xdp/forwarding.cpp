// SPDX-License-Identifier: MIT
#include "daemon/xdp/forwarding.h"

#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace xk::xdp {
namespace {

constexpr std::size_t kBuffer = 32 * 1024;

using Socket = Handle<mnl_socket, mnl_socket_close>;

Result<Socket> open_socket() {
    Socket socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
    if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0)
        return os_error("opening a route netlink socket");
    return socket;
}

int on_switch(const nlattr* attribute, void* on) {
    if (mnl_attr_get_type(attribute) == NETCONFA_FORWARDING && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0 &&
        mnl_attr_get_u32(attribute) != 0)
        *static_cast<bool*>(on) = true;
    return MNL_CB_OK;
}

int on_message(const nlmsghdr* message, void* on) {
    if (message->nlmsg_type == RTM_NEWNETCONF)
        mnl_attr_parse(message, sizeof(netconfmsg), on_switch, on);
    return MNL_CB_OK;
}

// Whether any interface forwards packets of this family. A change that interrupts the dump also sends a notification,
// and update() then queries again.
Result<bool> query_family(std::uint8_t family) {
    const auto failed = [] { return os_error("asking whether this host forwards"); };
    auto socket = open_socket();
    if (!socket)
        return socket.error();
    char buffer[kBuffer];
    nlmsghdr* const request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETNETCONF;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request->nlmsg_seq = 1;
    static_cast<netconfmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(netconfmsg)))->ncm_family = family;
    if (mnl_socket_sendto(socket->get(), request, request->nlmsg_len) < 0)
        return failed();
    bool on = false;
    for (;;) {
        const ssize_t n = mnl_socket_recvfrom(socket->get(), buffer, sizeof buffer);
        if (n < 0)
            return failed();
        const int more =
            mnl_cb_run(buffer, static_cast<std::size_t>(n), 1, mnl_socket_get_portid(socket->get()), on_message, &on);
        if (more < 0 && errno != EINTR)
            return failed();
        if (more <= MNL_CB_STOP)
            return on;
    }
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
    auto socket = open_socket();
    if (!socket)
        return socket.error();
    Forwarding forwarding(socket->release());
    for (int group : {RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF})
        if (mnl_socket_setsockopt(forwarding.socket_.get(), NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
            return os_error("listening for changes of forwarding");
    auto on = query();
    if (!on)
        return on.error();
    forwarding.on_ = *on;
    return forwarding;
}

Result<bool> Forwarding::update() {
    char message; // only its arrival matters: query() reads everything again
    bool notified = false;
    for (;;) {
        const ssize_t n = ::recv(poll_fd(), &message, sizeof message, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            break;
        notified = true;
        if (n < 0 && errno != ENOBUFS && errno != EINTR)
            return os_error("listening for changes of forwarding");
    }
    if (!notified)
        return false;
    auto on = query();
    if (!on)
        return on.error();
    return std::exchange(on_, *on) != *on;
}

} // namespace xk::xdp
