// SPDX-License-Identifier: MIT
#include "daemon/xdp/own_addresses.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <optional>

namespace xk::xdp {
namespace {

constexpr std::size_t kBuffer = 32 * 1024;
constexpr int kDumps = 100; // until one is whole

using Socket = Handle<mnl_socket, mnl_socket_close>;

// Our address is IFA_LOCAL where a peer address is set, and IFA_ADDRESS otherwise.
std::optional<Address> address_of(const nlmsghdr* message) {
    const auto* const info = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
    struct Found {
        const nlattr* address = nullptr;
        const nlattr* local = nullptr;
    } found;
    mnl_attr_parse(
        message, sizeof *info,
        [](const nlattr* attribute, void* to) {
            auto* const f = static_cast<Found*>(to);
            if (mnl_attr_get_type(attribute) == IFA_ADDRESS)
                f->address = attribute;
            else if (mnl_attr_get_type(attribute) == IFA_LOCAL)
                f->local = attribute;
            return MNL_CB_OK;
        },
        &found);
    const nlattr* const attribute = found.local != nullptr ? found.local : found.address;
    if (attribute == nullptr)
        return std::nullopt;
    const auto* const bytes = static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute));
    const std::size_t size = mnl_attr_get_payload_len(attribute);
    if (info->ifa_family == AF_INET && size == 4)
        return Address::v4(bytes[0], bytes[1], bytes[2], bytes[3]);
    if (info->ifa_family == AF_INET6 && size == 16) {
        Address address;
        std::copy_n(bytes, 16, address.bytes.begin());
        return address;
    }
    return std::nullopt;
}

Result<Socket> open_socket() {
    Socket socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
    if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0)
        return os_error("opening a route netlink socket");
    return socket;
}

} // namespace

Result<std::set<Address>> OwnAddresses::list() {
    // A dump that a change interrupts (Docker, ifup) may lack an address, so it is repeated.
    for (int i = 0; i < kDumps; ++i) {
        auto whole = list_once();
        if (!whole)
            return whole.error();
        if (*whole)
            return **std::move(whole);
    }
    return Error{"our addresses change faster than they can be listed", {}};
}

Result<std::optional<std::set<Address>>> OwnAddresses::list_once() {
    auto socket = open_socket();
    if (!socket)
        return socket.error();
    char buffer[kBuffer];
    nlmsghdr* const request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETADDR;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request->nlmsg_seq = 1;
    mnl_nlmsg_put_extra_header(request, sizeof(ifaddrmsg));
    if (mnl_socket_sendto(socket->get(), request, request->nlmsg_len) < 0)
        return os_error("asking for our addresses");
    std::set<Address> addresses;
    const auto on_message = [](const nlmsghdr* message, void* to) {
        if (message->nlmsg_type == RTM_NEWADDR)
            if (const auto address = address_of(message))
                static_cast<std::set<Address>*>(to)->insert(*address);
        return MNL_CB_OK;
    };
    for (;;) {
        const ssize_t n = mnl_socket_recvfrom(socket->get(), buffer, sizeof buffer);
        if (n < 0)
            return os_error("listing our addresses");
        const int more = mnl_cb_run(buffer, static_cast<std::size_t>(n), 1, mnl_socket_get_portid(socket->get()),
                                    on_message, &addresses);
        if (more < 0 && errno == EINTR) // NLM_F_DUMP_INTR
            return std::optional<std::set<Address>>();
        if (more < 0)
            return os_error("listing our addresses");
        if (more == MNL_CB_STOP)
            return std::optional(addresses);
    }
}

Result<OwnAddresses> OwnAddresses::open() {
    auto socket = open_socket();
    if (!socket)
        return socket.error();
    OwnAddresses own(socket->release());
    for (int group : {RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR})
        if (mnl_socket_setsockopt(own.socket_.get(), NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
            return os_error("listening for changes of our addresses");
    // Listed after the subscription, so that no change falls between the two.
    auto all = list();
    if (!all)
        return all.error();
    own.addresses_ = *std::move(all);
    return own;
}

Result<bool> OwnAddresses::update() {
    char buffer[kBuffer];
    bool notified = false;
    for (;;) {
        const ssize_t n = ::recv(poll_fd(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            break;
        notified = true;
        if (n < 0 && errno != ENOBUFS && errno != EINTR)
            return os_error("listening for changes of our addresses");
    }
    if (!notified)
        return false;
    // One address may be on two interfaces, so that a deletion does not say that it is gone.
    auto all = list();
    if (!all)
        return all.error();
    const bool changed = *all != addresses_;
    addresses_ = *std::move(all);
    return changed;
}

} // namespace xk::xdp
