// SPDX-License-Identifier: MIT
#include "daemon/xdp/link_layer.h"

#include <doctest/doctest.h>

#include <linux/if_arp.h>
#include <unistd.h>

using namespace xk::xdp;

TEST_CASE("Ethernet, and whatever looks like it") {
    for (const char* kind : {"", "veth", "bridge", "bond", "vlan", "vxlan", "dummy", "tun"}) // a tap's kind is "tun"
        CHECK(link_layer_of(ARPHRD_ETHER, kind).value() == LinkLayer::ethernet);
    CHECK(link_layer_of(ARPHRD_LOOPBACK, "").value() == LinkLayer::ethernet);
}

TEST_CASE("interfaces whose packets begin with the IP header") {
    CHECK(link_layer_of(ARPHRD_PPP, "ppp").value() == LinkLayer::none);
    CHECK(link_layer_of(ARPHRD_RAWIP, "rmnet").value() == LinkLayer::none);
    for (const char* kind : {"", "tun", "wireguard", "ovpn", "wwan"})
        CHECK(link_layer_of(ARPHRD_NONE, kind).value() == LinkLayer::none);
}

TEST_CASE("an interface with unknown packets is refused, with its name and a way out") {
    CHECK_FALSE(link_layer_of(ARPHRD_NONE, "xfrm"));
    CHECK_FALSE(link_layer_of(ARPHRD_TUNNEL, "ipip"));
    CHECK_FALSE(link_layer_of(ARPHRD_SIT, "sit"));
    CHECK_FALSE(link_layer_of(ARPHRD_INFINIBAND, ""));
    const auto refused = link_layer_of(ARPHRD_IPGRE, "gre");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("type 778, kind gre") != std::string::npos);
    CHECK(refused.error().hint.find("the interface below it") != std::string::npos);
}

TEST_CASE("the largest MTU leaves room in a page for what the kernel puts around a packet") {
    CHECK(largest_mtu_in_a_page() == static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE)) - 598);
}
