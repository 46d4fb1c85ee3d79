// SPDX-License-Identifier: MIT
// Sessions of the real connection tracking, and sockets of this host.
#include "daemon/nft/sessions.h"

#include "daemon/nft/sockets.h"
#include "tests/nft/fixtures.h"
#include "tests/nft/network.h"

#include <doctest/doctest.h>

#include <libnetfilter_conntrack/libnetfilter_conntrack.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

using namespace xk;
using namespace xk::nft;
using namespace xk::test;

namespace {

// Connection tracking follows packets only where a rule wants it to.
Socket install_open_ruleset() {
    Socket socket = Socket::open_nf_tables().value();
    install(socket, {});
    return socket;
}

auto to_port(std::uint16_t port) {
    return [port](const Session& session) { return session.there.target_port == port; };
}

Fd accept_on(const Fd& listener) {
    pollfd input{listener.get(), POLLIN, 0};
    REQUIRE(::poll(&input, 1, 5000) == 1);
    return Fd(::accept(listener.get(), nullptr, nullptr));
}

// An entry that the kernel refuses: there is no such type of ICMP.
std::shared_ptr<const nf_conntrack> senseless_entry() {
    nf_conntrack* const entry = nfct_new();
    nfct_set_attr_u8(entry, ATTR_ORIG_L3PROTO, AF_INET);
    nfct_set_attr_u32(entry, ATTR_ORIG_IPV4_SRC, htonl(0xc0000202));
    nfct_set_attr_u32(entry, ATTR_ORIG_IPV4_DST, htonl(0xc0000201));
    nfct_set_attr_u8(entry, ATTR_ORIG_L4PROTO, IPPROTO_ICMP);
    nfct_set_attr_u8(entry, ATTR_ICMP_TYPE, 200);
    nfct_set_attr_u8(entry, ATTR_ICMP_CODE, 0);
    nfct_set_attr_u16(entry, ATTR_ICMP_ID, 1);
    return {entry, [](nf_conntrack* e) { nfct_destroy(e); }};
}

} // namespace

TEST_CASE("a session is found with both tuples, alive while both ends talk, and over when one has closed it") {
    const Network network;
    const Socket socket = install_open_ruleset();
    const auto sessions = Sessions::open_conntrack().value();
    const Fd listener = network.listen_tcp(Network::here, 22);
    for (const auto& [source, target] :
         {std::pair("192.0.2.2", "192.0.2.1"), std::pair("2001:db8:2::2", "2001:db8:2::1")}) {
        Fd ours = network.connect_tcp(source, target, 22, 5000);
        REQUIRE(ours);
        Fd theirs = accept_on(listener);
        const auto ours_only = [from = address(source)](const Session& s) { return s.there.source == from; };
        auto found = sessions->find_sessions(ours_only).value();
        REQUIRE(found.size() == 1);
        CHECK(found[0].there.protocol == IpProtocol::tcp);
        CHECK(found[0].there.target == address(target));
        CHECK(found[0].there.target_port == 22);
        CHECK(found[0].there.source_port != 22);
        CHECK(found[0].back == found[0].there.reversed());
        CHECK(found[0].alive);
        CHECK_FALSE(found[0].over);
        CHECK(found[0].entry);
        CHECK(sessions->find_sessions(to_port(23)).value().empty());
        theirs.reset();
        ours.reset();
        for (int i = 0; i < 100 && !found.empty() && !found[0].over; ++i) {
            (void)::poll(nullptr, 0, 20);
            found = sessions->find_sessions(ours_only).value();
        }
        REQUIRE(found.size() == 1);
        CHECK(found[0].over);
        CHECK_FALSE(found[0].alive);
    }
}

TEST_CASE("a session without a connection is alive when it was answered") {
    const Network network;
    const Socket socket = install_open_ruleset();
    const auto sessions = Sessions::open_conntrack().value();
    sockaddr_storage here{}, there{};
    const auto size = address("192.0.2.1").to_sockaddr(here, 53);
    (void)address("192.0.2.2").to_sockaddr(there, 5300);
    const Fd service(::socket(AF_INET, SOCK_DGRAM, 0));
    REQUIRE(::bind(service.get(), reinterpret_cast<sockaddr*>(&here), size) == 0);
    Fd ours;
    network.in(Network::client, [&] { ours.reset(::socket(AF_INET, SOCK_DGRAM, 0)); });
    REQUIRE(::bind(ours.get(), reinterpret_cast<sockaddr*>(&there), size) == 0);
    REQUIRE(::connect(ours.get(), reinterpret_cast<sockaddr*>(&here), size) == 0);
    REQUIRE(::send(ours.get(), "?", 1, 0) == 1);
    char byte = 0;
    REQUIRE(::recv(service.get(), &byte, 1, 0) == 1);
    auto found = sessions->find_sessions(to_port(53)).value();
    REQUIRE(found.size() == 1);
    CHECK(found[0].there == Tuple{IpProtocol::udp, address("192.0.2.2"), address("192.0.2.1"), 5300, 53});
    CHECK_FALSE(found[0].alive);
    REQUIRE(::sendto(service.get(), "!", 1, 0, reinterpret_cast<sockaddr*>(&there), size) == 1);
    REQUIRE(::recv(ours.get(), &byte, 1, 0) == 1);
    found = sessions->find_sessions(to_port(53)).value();
    REQUIRE(found.size() == 1);
    CHECK(found[0].alive);
    CHECK_FALSE(found[0].over);
}

TEST_CASE("one session that cannot be forgotten keeps no other one, and the error says how many are left") {
    const Network network;
    const Socket socket = install_open_ruleset();
    const auto sessions = Sessions::open_conntrack().value();
    const Fd listener = network.listen_tcp(Network::here, 22);
    const Fd ours[] = {network.connect_tcp("192.0.2.2", "192.0.2.1", 22, 5000),
                       network.connect_tcp("192.0.2.3", "192.0.2.1", 22, 5000)};
    auto found = sessions->find_sessions(to_port(22)).value();
    REQUIRE(found.size() == 2);
    Session senseless;
    senseless.entry = senseless_entry();
    Session untracked; // a socket's: connection tracking does not know it
    const auto done = sessions->forget_sessions({found[0], senseless, untracked, found[1]});
    REQUIRE_FALSE(done);
    CHECK(done.error().message.starts_with("connection tracking still knows 1 of 4 sessions that were to end: "));
    CHECK(sessions->find_sessions(to_port(22)).value().empty());
    CHECK(sessions->forget_sessions(found)); // they are gone, and that is no error
    CHECK(sessions->forget_sessions({untracked}));
}

TEST_CASE("without the right to it nothing is forgotten, and the hint names the right") {
    const Network network;
    const Socket socket = install_open_ruleset();
    const auto sessions = Sessions::open_conntrack().value();
    const Fd listener = network.listen_tcp(Network::here, 22);
    const Fd ours = network.connect_tcp("192.0.2.2", "192.0.2.1", 22, 5000);
    const auto found = sessions->find_sessions(to_port(22)).value();
    REQUIRE(found.size() == 1);
    CHECK(run_without_rights([&] { return text_of(sessions->forget_sessions(found)); }) ==
          "connection tracking still knows 1 of 1 sessions that were to end: Operation not permitted (xknockd needs "
          "CAP_NET_ADMIN)");
    CHECK(run_without_rights([&] { return text_of(sessions->find_sessions(to_port(22))); }) ==
          "reading connection tracking: Operation not permitted (xknockd needs CAP_NET_ADMIN)");
    CHECK(sessions->find_sessions(to_port(22)).value().size() == 1);
}

TEST_CASE(
    "sockets of both families are listed, with ports that somebody listens on and those for outgoing connections") {
    const Network network;
    run_command("echo '40000 40100' > /proc/sys/net/ipv4/ip_local_port_range");
    const auto sockets = Sockets::open_sock_diag().value();
    CHECK(sockets->can_end());
    CHECK(sockets->list_sockets().value().listening.empty());
    const Fd listener = network.listen_tcp(Network::here, 22);
    const Fd ours[] = {network.connect_tcp("192.0.2.2", "192.0.2.1", 22, 5000),
                       network.connect_tcp("2001:db8:2::2", "2001:db8:2::1", 22, 5000)};
    const Fd accepted[] = {accept_on(listener), accept_on(listener)};
    const auto list = sockets->list_sockets().value();
    CHECK(list.listening == std::set<std::uint16_t>{22});
    CHECK(list.ephemeral == std::pair(40000u, 40100u));
    REQUIRE(list.sockets.size() == 2);
    std::set<Address> sources;
    for (const Sockets::Socket& socket : list.sockets) {
        const Session& session = socket.session;
        sources.insert(session.there.source);
        CHECK(session.there.target_port == 22);
        CHECK(session.back == session.there.reversed());
        CHECK(session.alive);
        CHECK_FALSE(session.over);
        CHECK_FALSE(session.entry);
    }
    CHECK(sources == std::set<Address>{address("192.0.2.2"), address("2001:db8:2::2")});
    for (const Sockets::Socket& socket : list.sockets) {
        CHECK(sockets->end_socket(socket).value());
        CHECK_FALSE(sockets->end_socket(socket).value());
    }
    CHECK(sockets->list_sockets().value().sockets.empty());
}

TEST_CASE("without the right to it no socket ends, and the hint names the right") {
    const Network network;
    const auto sockets = Sockets::open_sock_diag().value();
    const Fd listener = network.listen_tcp(Network::here, 22);
    const Fd ours = network.connect_tcp("192.0.2.2", "192.0.2.1", 22, 5000);
    const Fd theirs = accept_on(listener);
    const auto list = sockets->list_sockets().value();
    REQUIRE(list.sockets.size() == 1);
    CHECK(run_without_rights([&] { return text_of(sockets->end_socket(list.sockets[0])); }) ==
          "ending a socket: Operation not permitted (xknockd needs CAP_NET_ADMIN)");
    CHECK(sockets->list_sockets().value().sockets.size() == 1);
}
