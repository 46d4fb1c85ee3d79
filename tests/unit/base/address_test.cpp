// SPDX-License-Identifier: MIT
#include "protocol/base/address.h"

#include <doctest/doctest.h>

#include <netinet/in.h>
#include <sys/socket.h>

using xk::Address;
using xk::Prefix;

namespace {
Address address(const char* text) { return Address::parse(text).value(); }
Prefix prefix(const char* text) { return Prefix::parse(text).value(); }
} // namespace

TEST_CASE("an address is written as it is read") {
    for (const char* text :
         {"192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::", "::1", "64:ff9b::c000:201"})
        CHECK(address(text).text() == text);
}

TEST_CASE("IPv4 is held in the v4-mapped form") {
    const Address a = address("192.0.2.1");
    CHECK(a.is_v4());
    CHECK(a.bytes == xk::Bytes<16>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1});
    CHECK_FALSE(address("2001:db8::1").is_v4());
}

TEST_CASE("what is not exactly an address is refused") {
    for (const char* text : {"", "192.0.2", "192.0.2.256", "192.0.2.1 ", " 192.0.2.1", "1", "host", "fe80::1%eth0",
                             "::ffff:192.0.2.1", "2001:db8:::1", "192.0.2.01x"})
        CHECK_FALSE(Address::parse(text).has_value());
    CHECK_FALSE(Address::parse(std::string_view("192.0.2.1\0x", 11)).has_value());
}

TEST_CASE("a grant is opened for unicast addresses only") {
    for (const char* text :
         {"192.0.2.1", "10.0.0.1", "100.64.0.1", "223.255.255.255", "2001:db8::1", "fd00::1", "64:ff9b::c000:201"})
        CHECK_MESSAGE(address(text).is_grantable(), text);
    for (const char* text :
         {"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.1.2.3", "169.254.1.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
          "255.255.255.255", "::", "::1", "::192.0.2.1", "fe80::1", "febf::1", "fec0::1", "ff02::1"})
        CHECK_MESSAGE(!address(text).is_grantable(), text);
}

TEST_CASE("an address of one site only is not global") {
    for (const char* text : {"192.0.2.1", "172.32.0.1", "100.128.0.1", "2001:db8::1"})
        CHECK_MESSAGE(address(text).is_global(), text);
    for (const char* text : {"10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255",
                             "192.0.0.1", "198.18.0.1", "198.19.255.255", "fc00::1", "fdff::1", "127.0.0.1", "fe80::1"})
        CHECK_MESSAGE(!address(text).is_global(), text);
}

TEST_CASE("loopback is 127/8 and ::1") {
    CHECK(address("127.0.0.1").is_loopback());
    CHECK(address("127.255.0.1").is_loopback());
    CHECK(address("::1").is_loopback());
    CHECK_FALSE(address("::2").is_loopback());
    CHECK_FALSE(address("2001:db8::1").is_loopback());
    CHECK_FALSE(address("128.0.0.1").is_loopback());
}

TEST_CASE("an address survives the way through a sockaddr") {
    for (const char* text : {"192.0.2.1", "2001:db8::1"}) {
        sockaddr_storage storage;
        const auto size = address(text).to_sockaddr(storage, 4242);
        CHECK(storage.ss_family == (address(text).is_v4() ? AF_INET : AF_INET6));
        CHECK(size == (storage.ss_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6)));
        CHECK(Address::of(reinterpret_cast<const sockaddr&>(storage)) == address(text));
    }
}

TEST_CASE("a prefix is read, written and asked what it contains") {
    CHECK(prefix("192.0.2.0/24").text() == "192.0.2.0/24");
    CHECK(prefix("192.0.2.7").text() == "192.0.2.7");
    CHECK(prefix("2001:db8::/32").text() == "2001:db8::/32");
    CHECK(prefix("0.0.0.0/0").text() == "0.0.0.0/0");
    CHECK(prefix("192.0.2.0/25").contains(address("192.0.2.127")));
    CHECK_FALSE(prefix("192.0.2.0/25").contains(address("192.0.2.128")));
    CHECK(prefix("2001:db8:8000::/33").contains(address("2001:db8:ffff::1")));
    CHECK_FALSE(prefix("2001:db8:8000::/33").contains(address("2001:db8:7fff::1")));
    CHECK(prefix("192.0.2.0/24").contains(prefix("192.0.2.128/25")));
    CHECK_FALSE(prefix("192.0.2.128/25").contains(prefix("192.0.2.0/24")));
    CHECK(prefix("192.0.2.0/24").last() == address("192.0.2.255"));
    CHECK(prefix("2001:db8::/127").last() == address("2001:db8::1"));
}

TEST_CASE("no IPv6 prefix contains an IPv4 address") {
    CHECK(prefix("::/0").contains(address("2001:db8::1")));
    CHECK_FALSE(prefix("::/0").contains(address("192.0.2.1")));
    CHECK_FALSE(prefix("::/0").contains(prefix("192.0.2.0/24")));
    CHECK_FALSE(prefix("0.0.0.0/0").contains(address("2001:db8::1")));
}

TEST_CASE("a prefix with host bits, or without a usable length, is refused") {
    for (const char* text : {"192.0.2.1/24", "2001:db8::1/64", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/+8",
                             "192.0.2.0/24 ", "2001:db8::/129", "/24", ""})
        CHECK_MESSAGE(!Prefix::parse(text).has_value(), text);
    CHECK(Prefix::parse("192.0.2.1/24").error().hint == "did you mean 192.0.2.0/24?");
}

TEST_CASE("IPv4 in IPv6 clothes is what daemons log, and means the IPv4 address or network") {
    for (const char* text : {"::ffff:192.0.2.1", "::FFFF:c000:201", "0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"}) {
        CHECK_MESSAGE(Prefix::parse_logged(text).value() == prefix("192.0.2.1"), text);
        CHECK_MESSAGE(Address::parse_logged(text).value() == address("192.0.2.1"), text);
    }
    CHECK(Prefix::parse_logged("::ffff:192.0.2.0/120").value() == prefix("192.0.2.0/24"));
    CHECK(Prefix::parse_logged("::ffff:192.0.2.1/128").value() == prefix("192.0.2.1"));
    CHECK(Prefix::parse_logged("::ffff:0:0/96").value() == prefix("0.0.0.0/0"));
    CHECK(Prefix::parse_logged("2001:db8::/32").value() == prefix("2001:db8::/32"));
    CHECK(Prefix::parse_logged("::ffff:192.0.2.1/120").error().hint == "did you mean 192.0.2.0/24?");
    for (const char* text : {"::ffff:192.0.2.0/24", "::ffff:192.0.2.0/95", "::ffff:192.0.2.0/129", "::ffff:192.0.2.0/",
                             "::ffff:192.0.2.256", "::fffe:192.0.2.1/96"})
        CHECK_MESSAGE(!Prefix::parse_logged(text).has_value(), text);
    CHECK_FALSE(Prefix::parse("::ffff:192.0.2.1").has_value()); // a configuration says what it means
}
