// SPDX-License-Identifier: MIT
// Sessions that the operator or a panic ends: whose they are, which are spared, and what a failure leaves.
#include "tests/unit/grants/session_fixture.h"
#include "tests/unit/recording/log.h"

using namespace xk;
using namespace xk::test;

TEST_CASE("sessions that ended before a step failed are reported, and the error says which may live on") {
    SessionFixture f;
    const auto here = session(kClient, "tcp/22"), udp = session(kClient, "udp/51820");
    f.begin(here);
    f.begin(udp);
    const auto end = [&] { return f.lifetimes.end_sessions_of(prefix("203.0.113.5/32"), *f.config, f.own, {}, f.now); };
    f.faults.fail_at(3); // list sockets, end a socket, and then connection tracking
    const auto half = end();
    f.faults.none();
    REQUIRE_FALSE(half);
    CHECK(half.error().message ==
          "not all sessions ended (1 did): sessions of hosts behind this one and sessions of UDP may live on: find "
          "sessions: made to fail by the test");
    CHECK(f.sockets.sockets.empty());
    CHECK(f.lives(udp));
    const auto ended = f.events.take(EventKind::session_ended);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].service == "ssh");
    std::erase_if(f.tracked, [](const nft::Session& s) { return s.there.protocol == IpProtocol::tcp; });
    // A second try ends the rest, and reports only that.
    CHECK(end().value() == 1);
    CHECK(f.tracked.empty());
    CHECK(f.events.take(EventKind::session_ended).at(0).service == "vpn");
}

TEST_CASE("each step that fails has its consequence in the error, and does not keep the others from ending sessions") {
    const auto message = [](std::size_t step, bool all = false) {
        SessionFixture f;
        f.begin(session(kClient, "tcp/22"));
        f.begin(session(kClient, "udp/51820"));
        f.faults.fail_at(step, all);
        const auto done = f.lifetimes.end_sessions_of(prefix("203.0.113.5/32"), *f.config, f.own, {}, f.now);
        f.faults.none();
        return (done ? "all" : done.error().message) + "|" + std::to_string(f.sockets.sockets.size()) + "|" +
               std::to_string(f.tracked.size()) + "|" + std::to_string(f.sets.elements("ended4").size());
    };
    const std::string why = ": made to fail by the test";
    CHECK(message(0) == "all|0|0|2");
    CHECK(message(1) ==
          "not all sessions ended (2 did): sessions that connection tracking does not know may live on: list "
          "sockets" +
              why + "|1|0|4");
    CHECK(message(2) == "all|1|0|4"); // the sets drop the socket's packets
    CHECK(message(4) ==
          "not all sessions ended (2 did): sessions without connection tracking may live on: listing set flows4: list" +
              why + "|0|0|2");
    CHECK(message(6) ==
          "not all sessions ended (2 did): sessions that ended may be taken up again: writing the sets of "
          "ended sessions: commit" +
              why + "|0|0|0");
    CHECK(message(7) == "not all sessions ended (2 did): connection tracking still knows sessions that ended: forget "
                        "sessions" +
                            why + "|0|2|2");
    const std::string nothing = message(1, true);
    for (const char* part :
         {"(0 did)", "does not know may live on: ", "of UDP may live on: ", "without connection tracking"})
        CHECK_MESSAGE(nothing.find(part) != std::string::npos, nothing);
}

TEST_CASE("a panic ends every session of a service but the caller's and those of allowed networks") {
    config::Config config = make_config();
    config.allow = {prefix("198.51.100.0/24")};
    SessionFixture f(config);
    const auto caller = session(kClient, "tcp/22"), other = session(kClient, "tcp/22", 40001),
               allowed = session(address("198.51.100.5"), "tcp/22"), nobodys = session(kClient, "tcp/8443");
    for (const auto& s : {caller, other, allowed, nobodys})
        f.begin(s);
    const TcpSession spared{kClient, 40000, kHost, 22};
    CHECK(f.lifetimes.end_all_sessions(*f.config, f.own, spared, f.now).value() == 1);
    CHECK(f.lives(caller));
    CHECK_FALSE(f.lives(other));
    CHECK(f.lives(allowed));
    CHECK(f.lives(nobodys));
    CHECK(f.events.take(EventKind::session_ended).at(0).cause == EndCause::panic);
}

TEST_CASE("the operator ends the sessions of an address, or those that only some users can have begun") {
    SessionFixture f;
    REQUIRE(f.open(kAnna, kClient, "ssh", 30) == Answer::done);
    REQUIRE(f.open(kAnna, address("203.0.113.6"), "ssh", 30) == Answer::done);
    REQUIRE(f.open(kBob, address("203.0.113.6"), "ssh", 30) == Answer::done);
    f.begin(session(kClient, "tcp/22"));
    f.begin(session(address("203.0.113.6"), "tcp/22"));
    REQUIRE(f.tick());
    const auto done = f.lifetimes.end_sessions_of({f.id(kAnna)}, *f.config, f.own, {}, f.now).value();
    CHECK(done.ended == 1);
    CHECK(done.shared == 1);
    CHECK(f.tracked.size() == 1);
    CHECK(f.lifetimes.end_sessions_of(prefix("203.0.113.6/32"), *f.config, f.own, {}, f.now).value() == 1);
    CHECK(f.tracked.empty());
}

TEST_CASE("sessions of allowed networks and of this host live on, whoever ends sessions") {
    config::Config config = make_config();
    config.allow = {prefix("203.0.113.0/29")};
    SessionFixture f(config);
    const auto allowed = session(kClient, "udp/51820"), own = session(kHost, "udp/51820");
    f.begin(allowed);
    f.begin(own);
    REQUIRE(f.open(kAnna, kClient, "vpn", 30) == Answer::done);
    REQUIRE(f.tick());
    REQUIRE(f.grants.close_grant(f.request(kAnna, kClient, "vpn"), f.now).answer == Answer::done);
    REQUIRE(f.tick());
    CHECK(f.lifetimes.end_sessions_of(prefix("0.0.0.0/0"), *f.config, f.own, {}, f.now).value() == 0);
    CHECK(f.lifetimes.end_sessions_of({f.id(kAnna)}, *f.config, f.own, {}, f.now).value().ended == 0);
    f.reconfigure([](config::Config& c) {
        std::erase_if(c.policy.credentials, [](const authz::Credential& one) { return one.user.view() == "anna"; });
    });
    REQUIRE(f.lifetimes.end_disowned(*f.config, f.own, f.now));
    CHECK(f.tracked.size() == 2);
}

TEST_CASE("the operator's own session is spared from either side, behind a redirection too") {
    SessionFixture f;
    const TcpSession mine{kClient, 40000, kHost, 22};
    const auto others = session(kClient, "tcp/22", 40001);
    nft::Session reversed = session(kClient, "tcp/22");
    std::swap(reversed.there, reversed.back);
    for (const nft::Session& s : {session(kClient, "tcp/22"), reversed}) {
        f.tracked = {s, others};
        CHECK(f.lifetimes.end_all_sessions(*f.config, f.own, mine, f.now).value() == 1);
        CHECK(f.lives(s));
    }
    nft::Session redirected = session(kClient, "tcp/22"); // sshd listens at 2222
    redirected.back.source_port = 2222;
    f.tracked = {redirected};
    CHECK(f.lifetimes.end_all_sessions(*f.config, f.own, TcpSession{kClient, 40000, kHost, 2222}, f.now).value() == 0);
    CHECK(f.lifetimes.end_all_sessions(*f.config, f.own, TcpSession{kClient, 40000, kHost, 2223}, f.now).value() == 1);
    f.tracked = {session(kClient, "udp/51820")}; // of the same ports, but UDP
    CHECK(f.lifetimes.end_all_sessions(*f.config, f.own, TcpSession{kClient, 40000, kHost, 51820}, f.now).value() == 1);
}

TEST_CASE("each session that ends has an event of its own, with the cause in words") {
    SessionFixture f;
    const auto begin = [&] {
        for (std::uint16_t i = 0; i < 20; ++i)
            f.begin(session(kClient, "tcp/22", static_cast<std::uint16_t>(40000 + i)));
    };
    begin();
    f.bans.add(prefix("203.0.113.5/32"), {});
    f.lifetimes.on_ban(f.now.boot);
    REQUIRE(f.tick());
    const auto banned = f.events.take(EventKind::session_ended);
    REQUIRE(banned.size() == 20);
    CHECK(banned[0].detail == "203.0.113.5 port 40000 at tcp/22 (ssh)");
    CHECK(banned[0].more == "by a ban");
    begin();
    CHECK(f.lifetimes.end_sessions_of(prefix("203.0.113.5/32"), *f.config, f.own, {}, f.now).value() == 20);
    const auto closed = f.events.take(EventKind::session_ended);
    REQUIRE(closed.size() == 20);
    CHECK(closed[19].detail == "203.0.113.5 port 40019 at tcp/22 (ssh)");
    CHECK(closed[19].more == "by the operator");
}

TEST_CASE("where sessions cannot be listed, the operator learns that they may live on, for whomever they were to end") {
    SessionFixture f;
    REQUIRE(f.open(kBob, kClient, "ssh", 30) == Answer::done);
    f.report();
    f.begin(session(kClient, "tcp/22"));
    f.faults.fail_at(1, true);
    const auto of_users = f.lifetimes.end_sessions_of(std::set{f.id(kBob)}, *f.config, f.own, {}, f.now);
    const auto of_prefix = f.lifetimes.end_sessions_of(prefix("203.0.113.5/32"), *f.config, f.own, {}, f.now);
    const auto of_all = f.lifetimes.end_all_sessions(*f.config, f.own, {}, f.now);
    f.faults.none();
    REQUIRE_FALSE(of_users);
    CHECK(of_users.error().message.starts_with("not all sessions ended (0 did): "));
    CHECK_FALSE(of_prefix);
    CHECK_FALSE(of_all);
    CHECK(f.lifetimes.end_sessions_of(std::set{f.id(kBob)}, *f.config, f.own, {}, f.now)->ended == 1);
}
