// SPDX-License-Identifier: MIT
#include "daemon/xdp/link_layer.h"

#include "daemon/xdp/route_messages.h"
#include "daemon/xdp/route_netlink.h"
#include "protocol/base/quote.h"

#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include <algorithm>

namespace xk::xdp {
namespace {

int on_kind(const nlattr* attribute, void* found) {
    if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND)
        static_cast<LinkFacts*>(found)->kind = text_of(attribute);
    return MNL_CB_OK;
}

int on_attribute(const nlattr* attribute, void* found) {
    if (mnl_attr_get_type(attribute) == IFLA_MTU)
        static_cast<LinkFacts*>(found)->mtu = number_of<std::uint32_t>(attribute).value_or(0);
    if (mnl_attr_get_type(attribute) == IFLA_LINKINFO)
        mnl_attr_parse_nested(attribute, on_kind, found);
    return MNL_CB_OK;
}

} // namespace

LinkFacts link_facts_of(const nlmsghdr* message) {
    LinkFacts facts;
    facts.type = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message))->ifi_type;
    mnl_attr_parse(message, sizeof(ifinfomsg), on_attribute, &facts);
    return facts;
}

Result<LinkLayer> link_layer_of(std::uint16_t type, std::string_view kind) {
    switch (type) {
    case ARPHRD_ETHER:
    case ARPHRD_LOOPBACK:
        return LinkLayer::ethernet;
    case ARPHRD_PPP:
    case ARPHRD_RAWIP:
        return LinkLayer::none;
    case ARPHRD_NONE: {
        // Without kind: modems in raw IP mode (qmi_wwan). A virtual interface may show the outer headers of the packet.
        constexpr std::string_view kKnown[] = {"", "tun", "wireguard", "ovpn", "ovpn-dco", "wwan"};
        if (std::ranges::find(kKnown, kind) != std::end(kKnown))
            return LinkLayer::none;
        break;
    }
    default:
        break;
    }
    return Error{
        "the filter cannot read the packets of such an interface (type " + std::to_string(type) +
            (kind.empty() ? "" : ", kind " + printable(kind)) + ")",
        "it reads Ethernet (VLANs, bonds and bridges too), tun, WireGuard and ppp; of a tunnel in IP, name the "
        "interface below it, and knock at the outer address",
        Exit::configuration};
}

Result<Link> read_link(int ifindex) {
    ifinfomsg wanted{};
    wanted.ifi_index = ifindex;
    LinkFacts found;
    auto done = ask_route({RTM_GETLINK, false}, wanted, "asking what kind of interface it is",
                          [&](const nlmsghdr* message) { found = link_facts_of(message); });
    if (!done)
        return done.error();
    auto layer = link_layer_of(found.type, found.kind);
    if (!layer)
        return std::move(layer).error();
    return Link{*layer, found.mtu};
}

std::uint32_t largest_mtu_in_a_page() {
    constexpr std::uint32_t kHeadroom = 256, kSharedInfo = 320, kHeaders = 14 + 2 * 4;
    return static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE)) - kHeadroom - kSharedInfo - kHeaders;
}

} // namespace xk::xdp
