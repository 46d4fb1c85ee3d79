// SPDX-License-Identifier: MIT
#include "protocol/service.h"

#include <doctest/doctest.h>

using namespace xk;

TEST_CASE("a protocol and a port are read as they are written") {
    for (const char* text : {"tcp/22", "udp/51820", "sctp/1", "tcp/65535"})
        CHECK(Endpoint::parse(text).value().text() == text);
    CHECK(Endpoint::parse("tcp/22").value() == Endpoint{IpProtocol::tcp, 22});
    for (const char* text : {"", "22", "tcp", "tcp/", "tcp/0", "tcp/65536", "tcp/-1", "tcp/+1", "tcp/22 ", "icmp/1",
                             "TCP/22", "none/1", "tcp/22/udp"})
        CHECK_MESSAGE(!Endpoint::parse(text).has_value(), text);
}

TEST_CASE("a service id depends on the name and is never zero") {
    CHECK(service_id("ssh") == service_id("ssh"));
    CHECK(service_id("ssh") != service_id("web"));
    CHECK(service_id("ssh") != 0);
}

TEST_CASE("a range of ports is read as it is written, and one port is a range of one") {
    for (const char* text : {"tcp/22", "udp/27015-27030", "sctp/1-65535"})
        CHECK(PortRange::parse(text).value().text() == text);
    const PortRange range = PortRange::parse("tcp/20-25").value();
    CHECK(range == PortRange{IpProtocol::tcp, 20, 25});
    CHECK_FALSE(range.is_single());
    CHECK(range.begin() == Endpoint{IpProtocol::tcp, 20});
    CHECK(PortRange::parse("tcp/22-22").value() == PortRange::of({IpProtocol::tcp, 22}));
    CHECK(PortRange::parse("tcp/22-22").value().is_single());
    for (const char* text :
         {"",           "20-25",      "tcp",        "tcp/",         "tcp/-",         "tcp/20-",    "tcp/-25",
          "tcp/25-20",  "tcp/0-5",    "tcp/0",      "tcp/1-65536",  "tcp/65536",     "tcp/20 -25", "tcp/20- 25",
          "tcp/20-25 ", "tcp/20-+25", "tcp/20--25", "tcp/20-25-30", "tcp/20-tcp/25", "icmp/1-2",   "TCP/1-2",
          "none/1-2"}) {
        const auto parsed = PortRange::parse(text);
        REQUIRE_MESSAGE(!parsed.has_value(), text);
        CHECK(parsed.error().message ==
              "\"" + std::string(text) + "\" is not a protocol and a port or a range of ports");
        CHECK(parsed.error().hint == "write tcp/22, udp/51820 or tcp/27015-27030");
    }
    for (const char* text : {"tcp/20-25", "tcp/22-22"}) // where one port is asked for
        CHECK_MESSAGE(!Endpoint::parse(text).has_value(), text);
}

TEST_CASE("a range has its first port, its last one and those between, of its protocol") {
    const PortRange range = PortRange::parse("tcp/20-25").value();
    for (const std::uint16_t port : std::initializer_list<std::uint16_t>{20, 22, 25}) {
        CHECK(range.has({IpProtocol::tcp, port}));
        CHECK_FALSE(range.has({IpProtocol::udp, port}));
    }
    for (const std::uint16_t port : std::initializer_list<std::uint16_t>{0, 19, 26, 65535})
        CHECK_FALSE(range.has({IpProtocol::tcp, port}));
    CHECK(PortRange::parse("udp/65535").value().has({IpProtocol::udp, 65535}));
}

TEST_CASE("two ranges meet where they have a port in common, whichever is asked") {
    const PortRange range = PortRange::parse("tcp/20-25").value();
    const auto meets = [&](const char* text) {
        const PortRange other = PortRange::parse(text).value();
        CHECK(range.meets(other) == other.meets(range));
        return range.meets(other);
    };
    for (const char* text : {"tcp/20-25", "tcp/20", "tcp/25", "tcp/22-23", "tcp/1-20", "tcp/25-30", "tcp/1-65535"})
        CHECK_MESSAGE(meets(text), text);
    for (const char* text : {"tcp/1-19", "tcp/26", "tcp/26-30", "udp/20-25", "sctp/22"})
        CHECK_MESSAGE(!meets(text), text);
}

TEST_CASE("a port the wrong way round is told what to write, and two numbers are not") {
    CHECK(PortRange::parse("22/tcp").error().hint == "write tcp/22");
    CHECK(PortRange::parse("20-25/udp").error().hint == "write udp/20-25");
    CHECK(Endpoint::parse("22/tcp").error().hint == "write tcp/22");
    for (const char* text : {"22/22", "tcp/tcp", "/", "22/", "/tcp", "0/tcp", "22/tpc"})
        CHECK_MESSAGE(PortRange::parse(text).error().hint.find("udp/51820") != std::string::npos, text);
}

TEST_CASE("a wish is a service's name, a port, or a port of a host behind the server") {
    const ServiceSpec name = parse_service_spec("ssh").value();
    CHECK(name.service == service_id("ssh"));
    CHECK(name.endpoint == Endpoint{});
    CHECK(name.target == Address{});
    CHECK(parse_service_spec("all").value().service == service_id(kAllServices));
    const ServiceSpec port = parse_service_spec("udp/51820").value();
    CHECK(port.service == 0);
    CHECK(port.endpoint == Endpoint{IpProtocol::udp, 51820});
    CHECK(port.target == Address{});
    for (const char* target : {"198.51.100.7", "2001:db8:7::7", "10.0.0.1"}) {
        const ServiceSpec behind = parse_service_spec("tcp/22@" + std::string(target)).value();
        CHECK(behind.service == 0);
        CHECK(behind.endpoint == Endpoint{IpProtocol::tcp, 22});
        CHECK(behind.target == Address::parse(target).value());
    }
    for (const char* text : {"tcp/", "tcp/20-25", "tcp/22@", "tcp/22@host", "tcp/@198.51.100.7", "tcp/22@198.51.100.7@",
                             "tcp/22@198.51.100.0/24", "/22", "/"})
        CHECK_MESSAGE(!parse_service_spec(text).has_value(), text);
    // No knock can say these, and "::" would mean the server itself.
    for (const char* text : {"::", "0.0.0.0", "127.0.0.1", "fe80::1", "224.0.0.1"})
        CHECK(parse_service_spec("tcp/22@" + std::string(text)).error().message ==
              std::string(text) + " is not the address of a host behind the server");
}
