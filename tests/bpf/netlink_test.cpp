// SPDX-License-Identifier: MIT
//
// Interfaces, addresses and forwarding as the kernel tells of them, in a network namespace of the test's own.
#include "own_network.h"

#include "daemon/xdp/forwarding.h"
#include "daemon/xdp/link_layer.h"
#include "daemon/xdp/links.h"
#include "daemon/xdp/own_addresses.h"

#include <doctest/doctest.h>

#include <poll.h>

#include <algorithm>

using namespace xk;
using namespace xk::xdp;
using test::OwnNetwork;
using test::sh;

namespace {

const char* const kVeth = "ip link set lo up && ip link add a0 type veth peer name b0 && "
                          "ip link set a0 up && ip link set b0 up";

Address address(const char* text) { return Address::parse(text).value(); }

// Reads until nothing is there; whether anything changed.
template <typename Watch>
bool has_changed(Watch& watch) {
    bool changed = false;
    for (pollfd waiting{watch.poll_fd(), POLLIN, 0}; ::poll(&waiting, 1, 50) > 0;) {
        const auto updated = watch.update();
        REQUIRE(updated);
        changed |= *updated;
    }
    const auto nothing = watch.update();
    REQUIRE(nothing);
    CHECK_FALSE(*nothing);
    return changed;
}

} // namespace

TEST_CASE("interfaces are known by name and number") {
    const OwnNetwork network(kVeth);
    const int a0 = index_of_interface("a0");
    CHECK(a0 > 0);
    CHECK(name_of_interface(a0) == "a0");
    CHECK(index_of_interface("none") == 0);
    CHECK(name_of_interface(0).empty());
    CHECK(name_of_interface(99999).empty());
    CHECK(known_interfaces() == "lo, b0, a0");
    const Error none = no_interface({"x0", "y0"});
    CHECK(none.message == "there is no interface \"x0\", \"y0\"");
    CHECK(none.hint == "interfaces here: lo, b0, a0");
}

TEST_CASE("each missing interface has a line, and it is an error where all are missing") {
    const OwnNetwork network(kVeth);
    CHECK(missing_interfaces({"a0", "b0"}).value().empty());
    const auto lines = missing_interfaces({"a0", "x0"});
    REQUIRE(lines);
    REQUIRE(lines->size() == 1);
    CHECK(lines->front().find("there is no interface \"x0\"") == 0);
    CHECK_FALSE(missing_interfaces({"x0", "y0"}));
}

TEST_CASE("the interfaces below an interface are found") {
    const OwnNetwork network(std::string(kVeth) + " && ip link add br0 type bridge && ip link add c0 type veth peer "
                                                  "name d0 && ip link set a0 master br0 && ip link set c0 master br0");
    auto ports = interfaces_below("br0");
    std::ranges::sort(ports);
    CHECK(ports == std::vector<std::string>{"a0", "c0"});
    CHECK(interfaces_below("a0") == std::vector<std::string>{"b0"}); // the other end
    CHECK(interfaces_below("lo").empty());
    CHECK(interfaces_below("none").empty());
    // An interface of that number in another network namespace is none of ours.
    sh("ip link add e0 type veth peer name f0 && unshare -n sleep 2 & sleep 0.5; ip link set f0 netns $!; wait");
    CHECK(interfaces_below("e0").empty());
}

TEST_CASE("a change of interfaces is heard, and nothing else") {
    const OwnNetwork network(kVeth);
    auto watch = LinkWatch::open();
    REQUIRE(watch);
    CHECK_FALSE(has_changed(*watch));
    sh("ip link add c0 type veth peer name d0");
    CHECK(has_changed(*watch));
    sh("ip link del c0");
    CHECK(has_changed(*watch));
    sh("ip addr add 192.0.2.1/24 dev a0");
    CHECK_FALSE(has_changed(*watch));
}

TEST_CASE("an interface's link layer and MTU") {
    const OwnNetwork network(std::string(kVeth) + " && ip link set a0 mtu 1400 && ip tuntap add t0 mode tun && "
                                                  "ip tuntap add e0 mode tap");
    const auto its = read_link(index_of_interface("a0"));
    REQUIRE(its);
    CHECK(its->layer == LinkLayer::ethernet);
    CHECK(its->mtu == 1400);
    CHECK(read_link(index_of_interface("t0")).value().layer == LinkLayer::none);
    CHECK(read_link(index_of_interface("e0")).value().layer == LinkLayer::ethernet);
    CHECK(read_link(index_of_interface("lo")).value().layer == LinkLayer::ethernet);
    const auto gone = read_link(99999);
    CHECK_FALSE(gone);
}

TEST_CASE("our addresses are those of all interfaces, of a tunnel our own end, and kept current") {
    const OwnNetwork network(std::string(kVeth) + " && ip addr add 192.0.2.1/24 dev a0 && "
                                                  "ip addr add 10.0.0.1 peer 10.0.0.2 dev a0 && "
                                                  "ip addr add 2001:db8::1/64 dev a0 nodad");
    auto own = OwnAddresses::open();
    REQUIRE(own);
    for (const char* text : {"127.0.0.1", "::1", "192.0.2.1", "10.0.0.1", "2001:db8::1"})
        CHECK_MESSAGE(own->all().contains(address(text)), text);
    for (const char* text : {"10.0.0.2", "192.0.2.255", "192.0.2.0", "::", "0.0.0.0"})
        CHECK_MESSAGE(!own->all().contains(address(text)), text);
    (void)has_changed(*own); // link-local addresses come by themselves
    sh("ip addr add 192.0.2.2/24 dev b0");
    CHECK(has_changed(*own));
    CHECK(own->all().contains(address("192.0.2.2")));
    // On two interfaces, and then on one.
    sh("ip addr add 192.0.2.2/24 dev a0 && ip addr del 192.0.2.2/24 dev b0");
    CHECK_FALSE(has_changed(*own));
    CHECK(own->all().contains(address("192.0.2.2")));
    sh("ip addr del 192.0.2.2/24 dev a0");
    CHECK(has_changed(*own));
    CHECK_FALSE(own->all().contains(address("192.0.2.2")));
}

TEST_CASE("more changes of addresses than the socket holds are made good") {
    const OwnNetwork network(kVeth);
    auto own = OwnAddresses::open();
    REQUIRE(own);
    sh("for i in 1 2 3 4; do for j in $(seq 250); do echo addr add 10.0.$i.$j/32 dev a0; done; done | ip -batch - && "
       "for i in 1 2 3; do for j in $(seq 250); do echo addr del 10.0.$i.$j/32 dev a0; done; done | ip -batch -");
    CHECK(has_changed(*own));
    CHECK(own->all().contains(address("10.0.4.250")));
    CHECK_FALSE(own->all().contains(address("10.0.3.250")));
}

TEST_CASE("forwarding of either family on any interface is known and kept current") {
    for (const char* key : {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv4/conf/a0/forwarding",
                            "net/ipv6/conf/b0/forwarding"}) {
        CAPTURE(key);
        const OwnNetwork network(kVeth);
        const std::string file = std::string("/proc/sys/") + key;
        sh("for f in /proc/sys/net/ipv?/conf/*/forwarding; do echo 0 >$f; done");
        auto forwarding = Forwarding::open();
        REQUIRE(forwarding);
        CHECK_FALSE(forwarding->is_on());
        CHECK_FALSE(has_changed(*forwarding));
        sh("echo 1 >" + file);
        CHECK(has_changed(*forwarding));
        CHECK(forwarding->is_on());
        CHECK(Forwarding::open().value().is_on());
        sh("echo 0 >/proc/sys/net/ipv4/conf/lo/forwarding");
        CHECK_FALSE(has_changed(*forwarding));
        sh("for f in /proc/sys/net/ipv?/conf/*/forwarding; do echo 0 >$f; done");
        CHECK(has_changed(*forwarding));
        CHECK_FALSE(forwarding->is_on());
    }
}
