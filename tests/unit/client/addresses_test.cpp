// SPDX-License-Identifier: MIT
#include "client/addresses.h"

#include "client/nat64.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::client;

namespace {

Address address(const char* text) { return Address::parse(text).value(); }

} // namespace

TEST_CASE("an IPv4 address is found in an IPv6 one at every length of prefix that RFC 6052 has") {
    // The table of RFC 6052, section 2.4.
    const Address v4 = address("192.0.2.33");
    CHECK(embedded_v4(address("2001:db8:c000:221::"), 32) == v4);
    CHECK(embedded_v4(address("2001:db8:1c0:2:21::"), 40) == v4);
    CHECK(embedded_v4(address("2001:db8:122:c000:2:2100::"), 48) == v4);
    CHECK(embedded_v4(address("2001:db8:122:3c0:0:221::"), 56) == v4);
    CHECK(embedded_v4(address("2001:db8:122:344:c0:2:2100::"), 64) == v4);
    CHECK(embedded_v4(address("2001:db8:122:344::192.0.2.33"), 96) == v4);
    CHECK(embedded_v4(address("64:ff9b::192.0.2.33"), 96) == v4);
}

TEST_CASE("no other length, no bits behind it, nothing in bits 64 to 71") {
    CHECK_FALSE(embedded_v4(address("2001:db8:122:344::192.0.2.33"), 80));
    CHECK_FALSE(embedded_v4(address("2001:db8:c000:221::1"), 32));
    CHECK_FALSE(embedded_v4(address("2001:db8:122:344:1c0:2:2100::"), 64));
    CHECK_FALSE(embedded_v4(address("192.0.2.33"), 96));
}

TEST_CASE("addresses behind a NAT64 are known by the prefixes of everybody and by the host's IPv4 address") {
    std::vector<Place> places{address("64:ff9b::192.0.2.1"),  address("64:ff9b:1:2::c000:201"),
                              address("2001:db8::1"),         address("2001:db8:64::192.0.2.1"),
                              address("2001:db8:1c0:2:21::"), address("192.0.2.1")};
    mark_nat64(places);
    CHECK(places[0].nat64);
    CHECK(places[1].nat64);
    CHECK_FALSE(places[2].nat64);
    CHECK(places[3].nat64);
    CHECK_FALSE(places[4].nat64); // 192.0.2.33, which is not the host's
    CHECK_FALSE(places[5].nat64);
    places.pop_back();
    mark_nat64(places);
    CHECK(places[0].nat64);
    CHECK(places[1].nat64);
    CHECK_FALSE(places[3].nat64);
}

TEST_CASE("ipv4only.arpa tells the network's prefix, and nothing where there is no DNS64") {
    const auto prefixes = nat64_prefixes({address("2001:db8:64::192.0.0.170"), address("2001:db8:64::192.0.0.171")});
    REQUIRE(prefixes.size() == 1);
    CHECK(prefixes[0].text() == "2001:db8:64::/96");
    const auto others = nat64_prefixes({address("2001:db8:122:344:c0:0:aa00::")});
    REQUIRE(others.size() == 1);
    CHECK(others[0].text() == "2001:db8:122:344::/64");
    CHECK(nat64_prefixes({}).empty());
    CHECK(nat64_prefixes({address("2001:db8::1"), address("192.0.0.170")}).empty());
}

TEST_CASE("a literal is itself in every form") {
    for (const char* text : {"192.0.2.1", "192.0.513", "0xc0000201", "3221225985", "::ffff:192.0.2.1"}) {
        const auto places = resolve(text);
        REQUIRE(places.has_value());
        REQUIRE(places->size() == 1);
        CHECK(places->front().text() == "192.0.2.1");
        CHECK(normal_host(text) == "192.0.2.1");
    }
    CHECK(resolve("[2001:DB8:0::1]")->front().text() == "2001:db8::1");
    CHECK(resolve("fe80::1%lo")->front().text() == "fe80::1%lo");
    CHECK(resolve("fe80::1%lo")->front().zone != 0);
    CHECK_FALSE(resolve("192.0.2.1", Family::ipv6).has_value());
    CHECK(resolve("").error().exit == Exit::usage);
    CHECK(resolve(std::string(255, 'a')).error().exit == Exit::usage);
}

TEST_CASE("names are compared without their case and without the dot of a complete name") {
    CHECK(normal_host("Server.Example.NET.") == "server.example.net");
    CHECK(normal_host("[2001:DB8:0:0::1]") == "2001:db8::1");
    CHECK(normal_host("fe80::1%eth0") == "fe80::1");
    CHECK(normal_host(".") == ".");
    CHECK(normal_host("") == "");
}

TEST_CASE("the families take turns, eight addresses at most") {
    std::vector<Place> all;
    for (const char* text : {"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8::5", "2001:db8::6",
                             "2001:db8::7", "2001:db8::8", "2001:db8::9", "192.0.2.1"})
        all.push_back(address(text));
    const auto mixed = interleaved(all);
    REQUIRE(mixed.size() == 8);
    CHECK(mixed[0].text() == "2001:db8::1");
    CHECK(mixed[1].text() == "192.0.2.1");
    CHECK(mixed[7].text() == "2001:db8::7");
    CHECK(interleaved({}).empty());
}
