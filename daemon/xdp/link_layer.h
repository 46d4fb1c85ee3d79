// SPDX-License-Identifier: MIT
//
// What stands before the IP header in the packets that XDP hands over from an interface, which decides the program of
// the filter that fits it. Ethernet's header; or nothing, where an interface has no link layer of its own: tun, ppp,
// WireGuard, modems. Those have XDP in generic mode only, and there the kernel shows a packet from its "MAC header" on,
// which is what the driver says it is. So only kinds are known here whose drivers say it in the same way; tun and
// WireGuard are tried (e2e.links, vm.debian12), and any other kind is refused.
#pragma once

#include "protocol/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace xk::xdp {

enum class LinkLayer { ethernet, none };

struct Link {
    LinkLayer layer = LinkLayer::ethernet;
    std::uint32_t mtu = 0; // bytes
};

// Of the interface with this number, from rtnetlink. An error for one whose packets have another shape.
Result<Link> read_link(int ifindex);

// By type (ARPHRD_*, linux/if_arp.h) and kind (what "ip link add type" calls it; empty for hardware). An error says why
// the filter cannot read its packets.
Result<LinkLayer> link_layer_of(std::uint16_t type, std::string_view kind);

// The largest MTU with which a packet without fragments fits into one page, as drivers of native XDP want it: beside
// the packet there are 256 bytes before it (XDP_PACKET_HEADROOM), struct skb_shared_info behind it, and headers of
// Ethernet and two VLANs. A few drivers allow some bytes more or less.
std::uint32_t largest_mtu_in_a_page();

} // namespace xk::xdp
