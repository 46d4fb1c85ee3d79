// SPDX-License-Identifier: MIT
#include "daemon/xdp/own_addresses.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>

namespace xk::xdp {
namespace {

constexpr const char* kListeningForAddresses = "listening for changes of our addresses";
constexpr int kDumps = 100; // until one is whole

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

} // namespace

Result<std::set<Address>> OwnAddresses::list() {
    // A dump that a change interrupts (Docker, ifup) may lack an address, so it is repeated.
    for (int i = 0; i < kDumps; ++i) {
        std::set<Address> addresses;
        auto whole = ask_route({RTM_GETADDR}, ifaddrmsg{}, "listing our addresses", [&](const nlmsghdr* message) {
            if (const auto address = address_of(message))
                addresses.insert(*address);
        });
        if (!whole)
            return whole.error();
        if (*whole)
            return addresses;
    }
    return Error{"our addresses change faster than they can be listed", {}};
}

Result<OwnAddresses> OwnAddresses::open() {
    auto socket = open_route_socket({RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR}, kListeningForAddresses);
    if (!socket)
        return socket.error();
    OwnAddresses own(*std::move(socket));
    // Listed after the subscription, so that no change falls between the two.
    auto all = list();
    if (!all)
        return all.error();
    own.addresses_ = *std::move(all);
    return own;
}

Result<bool> OwnAddresses::update() {
    auto notified = take_notifications(socket_.get(), kListeningForAddresses);
    if (!notified || !*notified)
        return notified;
    // One address may be on two interfaces, so that a deletion does not say that it is gone.
    auto all = list();
    if (!all)
        return all.error();
    const bool changed = *all != addresses_;
    addresses_ = *std::move(all);
    return changed;
}

} // namespace xk::xdp
