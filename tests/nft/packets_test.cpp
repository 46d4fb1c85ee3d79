// SPDX-License-Identifier: MIT
// The ruleset against real packets, from a client to this host and through it to a host behind.
#include "tests/nft/fixtures.h"
#include "tests/nft/network.h"

#include <doctest/doctest.h>

#include <chrono>
#include <thread>

using namespace xk;
using namespace xk::nft;
using namespace xk::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kClient = "192.0.2.2";
constexpr const char* kOther = "192.0.2.3";
constexpr const char* kClient6 = "2001:db8:2::2";
constexpr const char* kHere = "192.0.2.1";
constexpr const char* kHere6 = "2001:db8:2::1";
constexpr const char* kBehind = "198.51.100.7";
constexpr const char* kBehind6 = "2001:db8:7::7";

ProtectedPort behind(const char* ports) { return behind_port(ports, kBehind, kBehind6); }

struct Grant {
    const char* source;
    const char* target; // null: this host
    const char* port;
    bool single_use = false;
};

void open_pinhole(Socket& socket, const Grant& grant) {
    const authz::Pinhole pinhole{address(grant.source), grant.target ? address(grant.target) : Address{},
                                 endpoint(grant.port)};
    const PinholeSet set = set_of(pinhole, {}, grant.single_use);
    Element element;
    element.key = key_of(set, pinhole);
    element.timeout = 60s;
    Transaction t;
    put_element(t, set.name, element);
    commit(socket, std::move(t));
}

// Until the kernel has noticed that a connection is over.
bool opens_in_time(const Network& network, const char* source, const char* target, std::uint16_t port) {
    for (int i = 0; i < 50; ++i)
        if (network.connect_tcp(source, target, port, 200))
            return true;
    return false;
}

} // namespace

TEST_CASE("a service of a host behind this one does not shut the same port of this host, nor the other way round") {
    const Network network;
    Socket socket = Socket::open_nf_tables().value();
    const Fd services[] = {network.listen_tcp(Network::here, 22), network.listen_tcp(Network::here, 80),
                           network.listen_tcp(Network::behind, 22), network.listen_tcp(Network::behind, 80)};
    for (const bool closed : {false, true}) {
        CAPTURE(closed);
        RulesetSpec spec;
        spec.closed = closed;
        spec.protected_ports = {behind("tcp/22")};
        install(socket, spec);
        CHECK(network.is_open(kClient, kHere, 22));
        CHECK(network.is_open(kClient6, kHere6, 22));
        CHECK(network.is_shut(kClient, kBehind, 22));
        CHECK(network.is_shut(kClient6, kBehind6, 22));
        CHECK(network.is_open(kClient, kBehind, 80));
        CHECK(network.is_open(kClient6, kBehind6, 80));
        spec.protected_ports = {protected_port("tcp/22"), behind("tcp/80")};
        install(socket, spec);
        CHECK(network.is_shut(kClient, kHere, 22));
        CHECK(network.is_shut(kClient6, kHere6, 22));
        CHECK(network.is_open(kClient, kHere, 80));
        CHECK(network.is_open(kClient, kBehind, 22));
        CHECK(network.is_open(kClient6, kBehind6, 22));
        CHECK(network.is_shut(kClient, kBehind, 80));
        CHECK(network.is_shut(kClient6, kBehind6, 80));
    }
}

TEST_CASE("a grant for a port of this host opens no host behind, nor the other way round") {
    const Network network;
    Socket socket = Socket::open_nf_tables().value();
    const Fd services[] = {network.listen_tcp(Network::here, 22), network.listen_tcp(Network::behind, 22)};
    RulesetSpec spec;
    spec.protected_ports = {protected_port("tcp/22"), behind("tcp/22")};
    install(socket, spec);
    open_pinhole(socket, {kClient, nullptr, "tcp/22"});
    open_pinhole(socket, {kClient6, kBehind6, "tcp/22"});
    CHECK(network.is_open(kClient, kHere, 22));
    CHECK(network.is_shut(kClient, kBehind, 22));
    CHECK(network.is_shut(kOther, kHere, 22));
    CHECK(network.is_open(kClient6, kBehind6, 22));
    CHECK(network.is_shut(kClient6, kHere6, 22));
}

TEST_CASE("a single-use grant lets in one connection, to this host and to one behind it") {
    const Network network;
    Socket socket = Socket::open_nf_tables().value();
    const Fd services[] = {network.listen_tcp(Network::here, 22), network.listen_tcp(Network::behind, 22)};
    RulesetSpec spec;
    spec.protected_ports = {protected_port("tcp/22"), behind("tcp/22")};
    install(socket, spec);
    open_pinhole(socket, {kClient, nullptr, "tcp/22", true});
    open_pinhole(socket, {kClient6, kBehind6, "tcp/22", true});
    CHECK(network.is_open(kClient, kHere, 22));
    CHECK(network.is_open(kClient6, kBehind6, 22));
    CHECK(list_elements(socket, {kTable, "once4"}).value().empty());
    CHECK(list_elements(socket, {kTable, "forward_once6"}).value().empty());
    // The source is remembered for retransmitted SYNs, which would hide the end of the grant from chain "early" only.
    CHECK(network.is_shut(kClient, kHere, 22));
    CHECK(network.is_shut(kClient6, kBehind6, 22));
}

TEST_CASE("max_connections counts each source's connections to one host behind, and to no other host or port") {
    const Network network;
    Socket socket = Socket::open_nf_tables().value();
    const Fd services[] = {network.listen_tcp(Network::here, 22), network.listen_tcp(Network::behind, 22)};
    RulesetSpec spec;
    spec.protected_ports = {protected_port("tcp/22"), behind("tcp/22")};
    spec.protected_ports[1].max_connections = 2;
    install(socket, spec);
    for (const char* source : {kClient, kOther}) {
        open_pinhole(socket, {source, nullptr, "tcp/22"});
        open_pinhole(socket, {source, kBehind, "tcp/22"});
    }
    open_pinhole(socket, {kClient6, kBehind6, "tcp/22"});
    Fd first = network.connect_tcp(kClient, kBehind, 22, 5000);
    const Fd second = network.connect_tcp(kClient, kBehind, 22, 5000);
    CHECK(first);
    CHECK(second);
    CHECK(network.is_shut(kClient, kBehind, 22));
    // Another source, and this host's own port, which has no limit.
    CHECK(network.is_open(kOther, kBehind, 22));
    const Fd here[] = {network.connect_tcp(kClient, kHere, 22, 5000), network.connect_tcp(kClient, kHere, 22, 5000),
                       network.connect_tcp(kClient, kHere, 22, 5000)};
    for (const Fd& one : here)
        CHECK(one);
    // IPv6 has a limit of its own.
    const Fd six[] = {network.connect_tcp(kClient6, kBehind6, 22, 5000),
                      network.connect_tcp(kClient6, kBehind6, 22, 5000)};
    CHECK(six[0]);
    CHECK(six[1]);
    CHECK(network.is_shut(kClient6, kBehind6, 22));
    // A reset ends the first, and leaves room for one.
    const linger at_once{1, 0};
    REQUIRE(::setsockopt(first.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    first.reset();
    CHECK(opens_in_time(network, kClient, kBehind, 22));
}

TEST_CASE("max_connections of this host does not limit a host behind") {
    const Network network;
    Socket socket = Socket::open_nf_tables().value();
    const Fd services[] = {network.listen_tcp(Network::here, 22), network.listen_tcp(Network::behind, 22)};
    RulesetSpec spec;
    spec.protected_ports = {protected_port("tcp/22"), behind("tcp/22")};
    spec.protected_ports[0].max_connections = 1;
    install(socket, spec);
    for (const char* target : {static_cast<const char*>(nullptr), kBehind})
        open_pinhole(socket, {kClient, target, "tcp/22"});
    const Fd open[] = {network.connect_tcp(kClient, kHere, 22, 5000), network.connect_tcp(kClient, kBehind, 22, 5000),
                       network.connect_tcp(kClient, kBehind, 22, 5000)};
    for (const Fd& one : open)
        CHECK(one);
    CHECK(network.is_shut(kClient, kHere, 22));
}

TEST_CASE("a published port needs a grant, and leads to the host behind, whose own port stays shut") {
    const Network network;
    Socket socket = Socket::open_nf_tables().value();
    const Fd service = network.listen_tcp(Network::behind, 22);
    RulesetSpec spec;
    ProtectedPort published = protected_port("tcp/2222");
    published.to4 = address(kBehind);
    published.to6 = address(kBehind6);
    published.to_port = 22;
    spec.protected_ports = {published, behind("tcp/22")};
    install(socket, spec);
    CHECK(network.is_shut(kClient, kHere, 2222));
    CHECK(network.is_shut(kClient6, kHere6, 2222));
    open_pinhole(socket, {kClient, nullptr, "tcp/2222"});
    open_pinhole(socket, {kClient6, nullptr, "tcp/2222"});
    CHECK(network.is_open(kClient, kHere, 2222));
    CHECK(network.is_open(kClient6, kHere6, 2222));
    CHECK(network.is_shut(kClient, kBehind, 22));
    CHECK(network.is_shut(kClient6, kBehind6, 22));
}

TEST_CASE("a banned source reaches nothing, and an allowed network everything but no ban's end") {
    const Network network;
    Socket socket = Socket::open_nf_tables().value();
    const Fd services[] = {network.listen_tcp(Network::here, 22), network.listen_tcp(Network::here, 80)};
    RulesetSpec spec;
    spec.protected_ports = {protected_port("tcp/22")};
    spec.allow = {Prefix::parse("192.0.2.2/31").value(), Prefix::parse("2001:db8:2::/64").value()};
    install(socket, spec);
    CHECK(network.is_open(kClient, kHere, 22));
    CHECK(network.is_open(kClient6, kHere6, 22));
    Element ban;
    ban.key = address_key(address(kClient));
    Transaction t;
    put_element(t, banned_set(true), ban);
    commit(socket, std::move(t));
    CHECK(network.is_shut(kClient, kHere, 22));
    CHECK(network.is_shut(kClient, kHere, 80));
    CHECK(network.is_open(kOther, kHere, 22));
    spec.allow.clear();
    install(socket, spec);
    CHECK(network.is_shut(kOther, kHere, 22));
    CHECK(network.is_shut(kClient6, kHere6, 22));
}
