// SPDX-License-Identifier: MIT
#include "daemon/xdp/link_layer.h"

#include "protocol/base/handle.h"
#include "protocol/base/quote.h"

#include <libmnl/libmnl.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace xk::xdp {
namespace {

constexpr std::size_t kBuffer = 32 * 1024;

struct Found {
    std::optional<std::uint16_t> type;
    std::uint32_t mtu = 0;
    std::string kind;
};

int on_kind(const nlattr* attribute, void* found) {
    if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND && mnl_attr_validate(attribute, MNL_TYPE_STRING) == 0)
        static_cast<Found*>(found)->kind.assign(
            mnl_attr_get_str(attribute), ::strnlen(mnl_attr_get_str(attribute), mnl_attr_get_payload_len(attribute)));
    return MNL_CB_OK;
}

int on_attribute(const nlattr* attribute, void* found) {
    if (mnl_attr_get_type(attribute) == IFLA_MTU && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
        static_cast<Found*>(found)->mtu = mnl_attr_get_u32(attribute);
    if (mnl_attr_get_type(attribute) == IFLA_LINKINFO)
        mnl_attr_parse_nested(attribute, on_kind, found);
    return MNL_CB_OK;
}

int on_link(const nlmsghdr* message, void* found) {
    if (message->nlmsg_type != RTM_NEWLINK)
        return MNL_CB_OK;
    static_cast<Found*>(found)->type = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message))->ifi_type;
    return mnl_attr_parse(message, sizeof(ifinfomsg), on_attribute, found);
}

} // namespace

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
    const auto failed = [] { return os_error("asking what kind of interface it is"); };
    const Handle<mnl_socket, mnl_socket_close> socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
    if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0)
        return failed();
    char buffer[kBuffer];
    nlmsghdr* const request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETLINK;
    request->nlmsg_flags = NLM_F_REQUEST;
    request->nlmsg_seq = 1;
    static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(request, sizeof(ifinfomsg)))->ifi_index = ifindex;
    if (mnl_socket_sendto(socket.get(), request, request->nlmsg_len) < 0)
        return failed();
    const ssize_t n = mnl_socket_recvfrom(socket.get(), buffer, sizeof buffer);
    Found found;
    if (n < 0 ||
        mnl_cb_run(buffer, static_cast<std::size_t>(n), 1, mnl_socket_get_portid(socket.get()), on_link, &found) < 0)
        return failed();
    if (!found.type)
        return Error{"it is gone", {}};
    auto layer = link_layer_of(*found.type, found.kind);
    if (!layer)
        return std::move(layer).error();
    return Link{*layer, found.mtu};
}

std::uint32_t largest_mtu_in_a_page() {
    constexpr std::uint32_t kHeadroom = 256, kSharedInfo = 320, kHeaders = 14 + 2 * 4;
    return static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE)) - kHeadroom - kSharedInfo - kHeaders;
}

} // namespace xk::xdp
