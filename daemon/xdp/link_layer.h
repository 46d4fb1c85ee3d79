// SPDX-License-Identifier: MIT
//
// The header before the IP header in the packets that XDP sees on an interface. It decides which program of the filter
// fits. It is Ethernet's, or none where an interface has no link layer of its own: tun, ppp, WireGuard, modems. Those
// have XDP in generic mode only. There the kernel shows a packet from its "MAC header" on, and each driver decides
// where that is. Only kinds whose drivers agree are known here; tun and WireGuard are tested (e2e.links, vm.debian12),
// and every other kind is refused.
#pragma once

#include "protocol/base/result.h"

#include <libmnl/libmnl.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace xk::xdp {

enum class LinkLayer { ethernet, none };

struct Link {
    LinkLayer layer = LinkLayer::ethernet;
    std::uint32_t mtu = 0; // bytes
};

// What a message of the kernel says of one interface.
struct LinkFacts {
    std::uint16_t type = 0; // ARPHRD_...
    std::uint32_t mtu = 0;
    std::string kind; // as "ip link add type" has it; empty: hardware
};
LinkFacts link_facts_of(const nlmsghdr* message);

// Reads from rtnetlink. An interface whose packets have another shape is an error.
Result<Link> read_link(int ifindex);

// By type (ARPHRD_*, linux/if_arp.h) and kind (what "ip link add type" calls it; empty for hardware). An error says why
// the filter cannot read its packets.
Result<LinkLayer> link_layer_of(std::uint16_t type, std::string_view kind);

// The largest MTU with which a packet without fragments fits into one page, as drivers of native XDP want it: beside
// the packet there are 256 bytes before it (XDP_PACKET_HEADROOM), struct skb_shared_info behind it, and headers of
// Ethernet and two VLANs. A few drivers allow some bytes more or less.
std::uint32_t largest_mtu_in_a_page();

} // namespace xk::xdp
