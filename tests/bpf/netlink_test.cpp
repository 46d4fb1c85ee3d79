// SPDX-License-Identifier: MIT
//
// Interfaces, addresses and forwarding as the kernel tells of them, in a network namespace of the test's own.
#include "own_network.h"
#include "refusing.h"

#include "daemon/xdp/forwarding.h"
#include "daemon/xdp/hook_query.h"
#include "daemon/xdp/link_layer.h"
#include "daemon/xdp/links.h"
#include "daemon/xdp/own_addresses.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <vector>

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

namespace {

// What it says; empty where it succeeds.
template <typename Value>
std::string words_of(const Result<Value>& result) {
    return result ? "" : result.error().message;
}

struct Question {
    const char* what;
    std::vector<int> calls; // by which it is asked
    std::function<std::string()> ask;
};
const Question kQuestions[] = {
    {"asking what kind of interface it is",
     {SYS_socket, SYS_bind, SYS_sendto, SYS_recvmsg},
     [] { return words_of(read_link(1)); }},
    {"listening for changes of interfaces",
     {SYS_socket, SYS_bind, SYS_setsockopt},
     [] { return words_of(LinkWatch::open()); }},
    {"listening for changes of our addresses",
     {SYS_socket, SYS_bind, SYS_setsockopt},
     [] { return words_of(OwnAddresses::open()); }},
    {"listing our addresses", {SYS_sendto, SYS_recvmsg}, [] { return words_of(OwnAddresses::open()); }},
    {"listening for changes of forwarding",
     {SYS_socket, SYS_bind, SYS_setsockopt},
     [] { return words_of(Forwarding::open()); }},
    {"asking whether this host forwards", {SYS_sendto, SYS_recvmsg}, [] { return words_of(Forwarding::open()); }},
};

// A tun interface that says of itself that it has this link layer.
Fd tunnel_of_type(const char* name, int type) {
    Fd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    ifreq request{};
    std::strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    REQUIRE(::ioctl(fd.get(), TUNSETIFF, &request) == 0);
    REQUIRE(::ioctl(fd.get(), TUNSETLINK, type) == 0);
    return fd;
}

} // namespace

TEST_CASE("what the kernel refuses is an error that says what was tried, and why") {
    const OwnNetwork network("ip link set lo up");
    for (const Question& question : kQuestions) {
        CAPTURE(question.what);
        CHECK(question.ask().empty());
        for (const int call : question.calls) {
            CAPTURE(call);
            CHECK(test::refusing(call, {}, ENOMEM, question.ask) ==
                  std::string(question.what) + ": Cannot allocate memory");
        }
    }
    CHECK(test::refusing(SYS_socket, {}, ENOMEM, [] { return interfaces_below("lo").empty(); }));
    CHECK(test::refusing(SYS_socket, {}, ENOMEM, [] { return known_interfaces().empty(); }));
    CHECK(words_of(test::refusing(SYS_sendto, {}, ENOMEM, [] { return query_hook("lo", "/none"); })) ==
          "asking what is attached to \"lo\": Cannot allocate memory");
}

TEST_CASE("a change that cannot be read is an error, and the next one is heard again") {
    const OwnNetwork network(std::string(kVeth) +
                             " && for f in /proc/sys/net/ipv?/conf/*/forwarding; do echo 0 >$f; done");
    auto own = OwnAddresses::open();
    auto forwarding = Forwarding::open();
    auto links = LinkWatch::open();
    REQUIRE(own);
    REQUIRE(forwarding);
    REQUIRE(links);
    const auto change = [](int to) {
        sh("ip link set b0 mtu 140" + std::to_string(to) + " && ip addr add 192.0.2." + std::to_string(to) +
           "/24 dev a0 && echo 0 >/proc/sys/net/ipv4/ip_forward && echo 1 >/proc/sys/net/ipv4/ip_forward");
    };
    change(1);
    const auto says = [](int call, auto& watch) {
        return test::refusing(call, {}, ENOMEM, [&] { return words_of(watch->update()); });
    };
    const std::string why = ": Cannot allocate memory";
    CHECK(says(SYS_recvfrom, own) == "listening for changes of our addresses" + why);
    CHECK(says(SYS_recvfrom, forwarding) == "listening for changes of forwarding" + why);
    CHECK(says(SYS_recvfrom, links) == "listening for changes of interfaces" + why);
    CHECK(says(SYS_socket, own) == "listing our addresses" + why);
    CHECK(says(SYS_socket, forwarding) == "asking whether this host forwards" + why);
    CHECK_FALSE(own->all().contains(address("192.0.2.1")));
    CHECK_FALSE(forwarding->is_on());
    change(3);
    CHECK(has_changed(*own));
    CHECK(has_changed(*forwarding));
    CHECK(has_changed(*links));
    CHECK(own->all().contains(address("192.0.2.1")));
    CHECK(own->all().contains(address("192.0.2.3")));
    CHECK(forwarding->is_on());
}

TEST_CASE("a list of addresses that is interrupted again and again is given up, and one of forwarding is taken") {
    const OwnNetwork network("ip link set lo up");
    const auto interrupted = [](const auto& ask) { return test::refusing(SYS_recvmsg, {}, EINTR, ask); };
    CHECK(words_of(interrupted([] { return OwnAddresses::open(); })) ==
          "our addresses change faster than they can be listed");
    const auto forwarding = interrupted([] { return Forwarding::open(); });
    REQUIRE(forwarding);
    CHECK_FALSE(forwarding->is_on());
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
    REQUIRE_FALSE(gone);
    CHECK(gone.error().message == "asking what kind of interface it is: No such device");
    const Fd infrared = tunnel_of_type("i0", ARPHRD_IRDA);
    const auto other = read_link(index_of_interface("i0"));
    REQUIRE_FALSE(other);
    CHECK(other.error().message == "the filter cannot read the packets of such an interface (type 783, kind tun)");
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
