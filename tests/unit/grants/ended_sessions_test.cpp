// SPDX-License-Identifier: MIT
// How sessions end: their sockets, their entries of connection tracking, and the sets that keep them ended.
#include "daemon/grants/ended_sessions.h"

#include "daemon/nft/transaction.h"
#include "tests/unit/grants/fixtures.h"
#include "tests/unit/recording/log.h"
#include "tests/unit/recording/sessions.h"

using namespace xk;
using namespace xk::test;

namespace {

const Address kHost = Address::v4(192, 0, 2, 1);

nft::Session session(unsigned n, IpProtocol protocol, std::uint16_t port) {
    nft::Session s;
    s.there = {protocol, source(n), kHost, 40000, port};
    s.back = s.there.reversed();
    s.alive = true;
    return s;
}

bool all(const nft::Session&) { return true; }
bool none(const nft::Session&) { return false; }

struct Host {
    Faults faults;
    BootTime now{BootTime(1'000'000s)};
    RecordingSets sets{faults, now};
    std::vector<nft::Session> tracked;
    nft::Sockets::List sockets;

    EndedSessions make(bool has_sockets = true) {
        return {std::make_unique<RecordingSessions>(faults, tracked),
                has_sockets ? std::make_unique<RecordingSockets>(faults, sockets) : nullptr, sets};
    }
    std::size_t in_sets() const { return sets.elements("ended4").size() / 2; }
};

} // namespace

TEST_CASE("a UDP session ends with its entry where its packets may go on, and goes into the sets where they may not") {
    Host host;
    EndedSessions ended = host.make();
    host.tracked = {session(1, IpProtocol::udp, 53)};
    CHECK(ended.end_sessions(all, none, true).ended.size() == 1);
    CHECK(host.tracked.empty());
    CHECK(host.in_sets() == 0);
    CHECK_FALSE(ended.any_without_connection());
    host.tracked = {session(1, IpProtocol::udp, 53)};
    CHECK(ended.end_sessions(all, all, true).ended.size() == 1);
    CHECK(host.in_sets() == 1);
    CHECK(ended.any_without_connection());
    // Without a table nothing is written, and the entry is forgotten all the same.
    host.tracked = {session(2, IpProtocol::udp, 53)};
    CHECK(ended.end_sessions(all, all, false).all);
    CHECK(host.tracked.empty());
    CHECK(host.in_sets() == 1);
}

TEST_CASE("a session that is over already is forgotten, kept ended, and not counted") {
    Host host;
    EndedSessions ended = host.make();
    host.tracked = {session(1, IpProtocol::tcp, 22)};
    host.tracked[0].over = true;
    const auto outcome = ended.end_sessions(all, none, true);
    CHECK(outcome.all);
    CHECK(outcome.ended.empty());
    CHECK(host.tracked.empty());
    CHECK(host.in_sets() == 1);
}

TEST_CASE("only wanted sessions are found and end, those of sockets and those of connection tracking") {
    Host host;
    EndedSessions ended = host.make();
    const auto one = session(1, IpProtocol::tcp, 22), two = session(2, IpProtocol::tcp, 22);
    host.tracked = {one, two};
    host.sockets.sockets = {{one, {}, 2}, {two, {}, 2}};
    const auto is_one = [&](const nft::Session& s) { return s.there == one.there; };
    CHECK(ended.find_sessions(is_one).value().size() == 2); // socket and entry
    CHECK(ended.end_sessions(is_one, all, true).ended.size() == 1);
    CHECK(host.tracked.size() == 1);
    CHECK(host.sockets.sockets.size() == 1);
    CHECK(host.in_sets() == 0); // nothing revives a socket that the kernel ended
    for (std::size_t step = 1; step <= 2; ++step) {
        host.faults.fail_at(step);
        CHECK_FALSE(ended.find_sessions(all));
        host.faults.none();
    }
}

TEST_CASE("where the kernel cannot list sockets, connection tracking decides alone") {
    Host host;
    host.sockets.listening = {22};
    EndedSessions ended = host.make(false);
    CHECK_FALSE(ended.ends_sockets());
    CHECK_FALSE(ended.may_be_outgoing(40000));
    host.tracked = {session(1, IpProtocol::tcp, 22)};
    CHECK(ended.end_sessions(all, none, true).ended.size() == 1);
    CHECK(host.in_sets() == 1);
}

TEST_CASE("a port may be one of this host's own connections if the kernel hands it out and no program listens there") {
    Host host;
    host.sockets.ephemeral = {40000, 50000};
    host.sockets.listening = {45000};
    EndedSessions ended = host.make();
    REQUIRE(ended.find_sessions(none));
    CHECK(ended.ends_sockets());
    for (const std::uint16_t port : std::initializer_list<std::uint16_t>{40000, 44999, 50000})
        CHECK(ended.may_be_outgoing(port));
    for (const std::uint16_t port : std::initializer_list<std::uint16_t>{39999, 45000, 50001})
        CHECK_FALSE(ended.may_be_outgoing(port));
}

TEST_CASE("a UDP session may begin again where it is lifted, and a TCP session never") {
    Host host;
    EndedSessions ended = host.make();
    host.tracked = {session(1, IpProtocol::udp, 53), session(2, IpProtocol::udp, 53), session(1, IpProtocol::tcp, 22)};
    REQUIRE(ended.end_sessions(all, all, true).all);
    REQUIRE(host.in_sets() == 3);
    const auto of_first = [](const nft::EndedSession& s) { return s.there.source == source(1); };
    host.faults.fail_at(1);
    CHECK_FALSE(ended.lift_sessions(of_first));
    host.faults.none();
    CHECK(host.in_sets() == 3);
    REQUIRE(ended.lift_sessions(of_first));
    CHECK(host.in_sets() == 2);
    CHECK(ended.any_without_connection());
    REQUIRE(ended.lift_sessions([](const nft::EndedSession&) { return true; }));
    CHECK(host.in_sets() == 1);
    CHECK_FALSE(ended.any_without_connection());
    // What was lifted does not come back when the table is made anew.
    nft::Transaction anew;
    ended.write_sets(anew);
    REQUIRE(host.sets.commit(std::move(anew)));
    CHECK(host.in_sets() == 1);
}

TEST_CASE("sessions that the sets did not take are written with the next ones, but for those that may begin again") {
    Host host;
    EndedSessions ended = host.make(false);
    host.tracked = {session(1, IpProtocol::tcp, 22), session(1, IpProtocol::udp, 53), session(2, IpProtocol::udp, 53)};
    host.faults.fail_at(4); // find, list two sets of flows, and then the sets
    CHECK_FALSE(ended.end_sessions(all, all, true).all);
    host.faults.none();
    CHECK(host.tracked.empty());
    CHECK(host.in_sets() == 0);
    ended.forget_lifted([](const nft::EndedSession& s) { return s.there.source == source(1); });
    REQUIRE(ended.end_sessions(all, all, true).all);
    CHECK(host.in_sets() == 2);
}

TEST_CASE("when the sets are full the sessions that ended first give way" * doctest::test_suite("long")) {
    Host host;
    EndedSessions ended = host.make(false);
    for (unsigned i = 0; i + 1 < nft::kMostEnded; ++i)
        host.tracked.push_back(session(i, IpProtocol::tcp, 22));
    REQUIRE(ended.end_sessions(all, all, true).all);
    REQUIRE(host.in_sets() == nft::kMostEnded - 1);
    const unsigned next = static_cast<unsigned>(nft::kMostEnded);
    host.tracked = {session(next, IpProtocol::tcp, 22)};
    REQUIRE(ended.end_sessions(all, all, true).all);
    CHECK(host.in_sets() == nft::kMostEnded); // there was room for it
    host.tracked = {session(next + 1, IpProtocol::tcp, 22), session(next + 2, IpProtocol::tcp, 22)};
    REQUIRE(ended.end_sessions(all, all, true).all);
    CHECK(host.in_sets() == nft::kMostEnded);
    const auto has = [&](unsigned n) {
        const auto key = nft::tuple_key(session(n, IpProtocol::tcp, 22).there);
        return std::ranges::any_of(host.sets.elements("ended4"), [&](const nft::Element& e) { return e.key == key; });
    };
    CHECK(has(next));
    CHECK(has(next + 1));
    CHECK(has(next + 2));
    // The kernel removed most of them meanwhile: then there is room.
    for (unsigned i = 0; i < next; ++i)
        for (const nft::Tuple& tuple : {session(i, IpProtocol::tcp, 22).there, session(i, IpProtocol::tcp, 22).back})
            host.sets.take("ended4", nft::tuple_key(tuple));
    host.tracked = {session(next + 3, IpProtocol::tcp, 22)};
    REQUIRE(ended.end_sessions(all, all, true).all);
    CHECK(has(next));
    CHECK(has(next + 3));
    CHECK(host.in_sets() == 4);
}

TEST_CASE("more sessions than the sets take end all the same" * doctest::test_suite("long")) {
    Host host;
    EndedSessions ended = host.make(false);
    for (unsigned i = 0; i < nft::kMostEnded + 10; ++i)
        host.tracked.push_back(session(i, IpProtocol::tcp, 22));
    const auto outcome = ended.end_sessions(all, all, true);
    CHECK(outcome.all);
    CHECK(outcome.ended.size() == nft::kMostEnded + 10);
    CHECK(host.tracked.empty());
    CHECK(host.in_sets() == nft::kMostEnded);
}

TEST_CASE(
    "sessions that the sets do not take for long take no more room than there, and the log says how many are lost" *
    doctest::test_suite("long")) {
    Host host;
    EndedSessions ended = host.make(false);
    const unsigned most = static_cast<unsigned>(nft::kMostEnded);
    const auto end = [&](unsigned first, unsigned count) {
        for (unsigned i = 0; i < count; ++i)
            host.tracked.push_back(session(first + i, IpProtocol::tcp, 22));
        return bool(ended.end_sessions(all, all, true).all);
    };
    const CapturedLog log;
    host.faults.fail_at(4); // find, list two sets of flows, and then the sets
    CHECK_FALSE(end(0, most));
    CHECK(log.text().empty());
    host.faults.fail_at(4);
    CHECK_FALSE(end(most, 10));
    CHECK(log.text() == "warning the sets of ended sessions are full: 10 sessions that ended may be taken up again\n");
    host.faults.none();
    CHECK(end(most + 10, 1));
    CHECK(host.in_sets() == nft::kMostEnded);
    CHECK(log.text().ends_with(": 1 sessions that ended may be taken up again\n"));
    const auto has = [&](unsigned n) {
        const auto key = nft::tuple_key(session(n, IpProtocol::tcp, 22).there);
        return std::ranges::any_of(host.sets.elements("ended4"), [&](const nft::Element& e) { return e.key == key; });
    };
    for (unsigned i = 0; i < 11; ++i)
        CHECK(has(most + i)); // the newest are kept
}
