// SPDX-License-Identifier: MIT
// What becomes of sessions when grants end, and of grants while sessions live.
#include "daemon/grants/lifetimes.h"
#include "tests/unit/grants/fixtures.h"
#include "tests/unit/recording/sessions.h"

using namespace xk;
using namespace xk::test;

namespace {

const Address kClient = address("203.0.113.5");
const Address kHost = Address::v4(192, 0, 2, 1);
const Pinhole kSsh = pinhole("203.0.113.5", "tcp/22");
const Pinhole kVpn = pinhole("203.0.113.5", "udp/51820");
const Pinhole kDb = pinhole("203.0.113.5", "tcp/5432");

// From the client's port 40000 to a port of this host, as connection tracking has it.
nft::Session session(const Address& client, const char* port, std::uint16_t from = 40000) {
    const Endpoint to = Endpoint::parse(port).value();
    nft::Session s;
    s.there = {to.protocol, client, kHost, from, to.port};
    s.back = s.there.reversed();
    s.alive = true;
    return s;
}

struct Field : Ground {
    explicit Field(config::Config c = make_config())
        : Ground(std::move(c)), lifetimes({std::make_unique<RecordingSessions>(faults, tracked),
                                           std::make_unique<RecordingSockets>(faults, sockets), sets},
                                          grants, owners, events) {
        reporter.add_listener(owners);
        reporter.add_listener(lifetimes);
        grants.on_open([this](nft::Transaction& t, const Pinhole& at) { lifetimes.opening(t, at, own); },
                       [this](const Pinhole& at) { lifetimes.opened(at, own); });
        REQUIRE(lifetimes.adopt(true, false)); // nothing ended while nobody was there
    }

    // As the daemon does it, once a second.
    Result<void> tick() {
        grants.expire(now.boot);
        report();
        auto done = lifetimes.tick(*config, bans, own, now);
        report();
        return done;
    }
    bool lives(const nft::Session& s) const {
        return std::ranges::any_of(tracked, [&](const nft::Session& t) { return t.there == s.there; });
    }
    // A TCP session of this host has a socket too.
    void begin(const nft::Session& s) {
        tracked.push_back(s);
        if (s.there.protocol == IpProtocol::tcp)
            sockets.sockets.push_back({{s.there, s.back, true, false, {}}, {}, 2});
    }

    std::vector<nft::Session> tracked;
    nft::Sockets::List sockets;
    Owners owners{grants};
    Lifetimes lifetimes;
};

} // namespace

TEST_CASE("a grant of after: idle is prolonged while a session lives, and ends a while after the last one") {
    Field field;
    REQUIRE(field.open(kAnna, kClient, "db", 10) == Answer::done);
    const auto s = session(kClient, "tcp/5432");
    field.begin(s);
    for (int i = 0; i < 200; ++i) {
        REQUIRE(field.tick());
        field.pass(1s);
    }
    REQUIRE(field.is_open(kDb));
    CHECK(field.grants.book().all().at(kDb)[0].until > field.now.boot);
    CHECK_FALSE(field.events.take(EventKind::grant_prolonged).empty());
    field.tracked.clear();
    field.sockets.sockets.clear();
    for (int i = 0; i < 62; ++i) {
        REQUIRE(field.tick());
        field.pass(1s);
    }
    CHECK_FALSE(field.is_open(kDb));
    const auto ended = field.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].cause == EndCause::expired);
    CHECK(field.sets.size() == 0);
}

TEST_CASE("sessions that are no client's of the grant do not prolong it") {
    Field field;
    REQUIRE(field.open(kAnna, kClient, "db", 10) == Answer::done);
    field.begin(session(address("203.0.113.6"), "tcp/5432")); // somebody else's
    nft::Session ours = session(kClient, "tcp/5432");         // that this host began
    std::swap(ours.there, ours.back);
    field.tracked.push_back(ours);
    nft::Session dying = session(kClient, "tcp/5432", 40002);
    dying.alive = false;
    field.tracked.push_back(dying);
    for (int i = 0; i < 12; ++i) {
        REQUIRE(field.tick());
        field.pass(1s);
    }
    CHECK_FALSE(field.is_open(kDb));
}

TEST_CASE("where the kernel cannot say which sessions live, the tick is an error and the next one asks again") {
    Field field;
    REQUIRE(field.open(kAnna, kClient, "db", 10) == Answer::done);
    field.begin(session(kClient, "tcp/5432"));
    field.pass(9s);
    field.grants.expire(field.now.boot);
    field.faults.fail_at(1);
    CHECK_FALSE(field.tick());
    field.faults.none();
    REQUIRE(field.tick());
    CHECK(field.grants.book().all().at(kDb)[0].until > field.now.boot + 50s);
}

TEST_CASE("a session of after: cut ends with its grant, for good, and with its grant's cause") {
    Field field;
    REQUIRE(field.open(kAnna, kClient, "vpn", 30) == Answer::done);
    const auto s = session(kClient, "udp/51820"), other = session(address("203.0.113.6"), "udp/51820");
    field.begin(s);
    field.begin(other);                             // it never had a grant: it was there before the gate
    field.begin(session(kClient, "tcp/22", 40009)); // after: keep
    REQUIRE(field.tick());
    CHECK(field.tracked.size() == 3);
    REQUIRE(field.grants.close(field.request(kAnna, kClient, "vpn"), field.now).answer == Answer::done);
    REQUIRE(field.tick());
    CHECK_FALSE(field.lives(s));
    CHECK(field.lives(other));
    CHECK(field.tracked.size() == 2);
    const auto ended = field.events.take(EventKind::session_ended);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].cause == EndCause::by_user);
    CHECK(ended[0].service == "vpn");
    CHECK(ended[0].address == kClient);
    // Nothing revives it: both directions are remembered, until a grant opens for it.
    CHECK(field.sets.elements("ended4").size() == 2);
    REQUIRE(field.open(kAnna, kClient, "vpn", 30) == Answer::done);
    CHECK(field.sets.elements("ended4").empty());
}

TEST_CASE("a session of after: cut lives on while anybody holds its pinhole") {
    Field field;
    REQUIRE(field.open(kAnna, kClient, "vpn", 30) == Answer::done);
    REQUIRE(field.open(kBob, kClient, "vpn", 60) == Answer::done);
    const auto s = session(kClient, "udp/51820");
    field.begin(s);
    REQUIRE(field.tick());
    field.pass(31s);
    REQUIRE(field.tick());
    CHECK(field.lives(s));
    field.pass(30s);
    REQUIRE(field.tick());
    CHECK_FALSE(field.lives(s));
    CHECK(field.events.take(EventKind::session_ended).at(0).cause == EndCause::expired);
}

TEST_CASE("a session of after: cut lives on where its grant was closed and opened again before the tick") {
    Field field;
    REQUIRE(field.open(kAnna, kClient, "vpn", 30) == Answer::done);
    const auto s = session(kClient, "udp/51820");
    field.begin(s);
    REQUIRE(field.tick());
    REQUIRE(field.grants.close(field.request(kAnna, kClient, "vpn"), field.now).answer == Answer::done);
    REQUIRE(field.open(kBob, kClient, "vpn", 30) == Answer::done);
    REQUIRE(field.tick());
    CHECK(field.lives(s));
}

TEST_CASE("what could not be ended is ended by a later tick, whichever step failed") {
    for (std::size_t step = 1;; ++step) {
        Field field;
        REQUIRE(field.open(kAnna, kClient, "vpn", 30) == Answer::done);
        const auto s = session(kClient, "udp/51820");
        field.begin(s);
        REQUIRE(field.tick());
        REQUIRE(field.grants.close(field.request(kAnna, kClient, "vpn"), field.now).answer == Answer::done);
        field.report();
        field.faults.fail_at(step);
        const bool done = field.lifetimes.tick(*field.config, field.bans, field.own, field.now).has_value();
        const bool struck = field.faults.struck();
        field.faults.none();
        if (!struck) {
            CHECK(done);
            CHECK(step > 4);
            break;
        }
        REQUIRE(field.lifetimes.tick(*field.config, field.bans, field.own, field.now));
        CHECK_FALSE(field.lives(s));
        CHECK(field.sets.elements("ended4").size() == 2);
    }
}

TEST_CASE("a ban ends the sessions of whom it meets, however short it was") {
    Field field;
    REQUIRE(field.open(kAnna, kClient, "ssh", 300) == Answer::done);
    const auto s = session(kClient, "tcp/22"), other = session(address("198.51.100.5"), "tcp/22");
    field.begin(s);
    field.begin(other);
    field.bans.add(prefix("203.0.113.0/24"), {field.now.boot + 100ms, "short"});
    field.lifetimes.on_ban(field.now.boot);
    CHECK(field.lifetimes.any_banned());
    field.pass(900ms); // it is over, but still in the list
    REQUIRE(field.tick());
    CHECK_FALSE(field.lifetimes.any_banned());
    CHECK_FALSE(field.lives(s));
    CHECK(field.lives(other));
    const auto ended = field.events.take(EventKind::session_ended);
    REQUIRE(ended.size() == 1); // socket and entry are one session
    CHECK(ended[0].cause == EndCause::banned);
    CHECK(field.sockets.sockets.size() == 1);
}

TEST_CASE("sessions end with the right to them, and not those of another user behind the same address") {
    Field field;
    REQUIRE(field.open(kBob, kClient, "ssh", 30) == Answer::done);
    REQUIRE(field.open(kAnna, address("203.0.113.6"), "ssh", 30) == Answer::done);
    REQUIRE(field.open(kBob, address("203.0.113.6"), "ssh", 30) == Answer::done);
    const auto bobs = session(kClient, "tcp/22"), shared = session(address("203.0.113.6"), "tcp/22");
    field.begin(bobs);
    field.begin(shared);
    REQUIRE(field.tick());
    field.pass(60s); // the grants are over, the sessions are not
    REQUIRE(field.tick());
    CHECK(field.lives(bobs));
    field.reconfigure([](config::Config& c) {
        std::erase_if(c.policy.credentials, [](const authz::Credential& one) { return one.user.view() == "bob"; });
    });
    field.report();
    field.faults.fail_at(1, true);
    CHECK_FALSE(field.lifetimes.end_disowned(*field.config, field.own, field.now));
    field.faults.none();
    CHECK(field.lives(bobs));
    REQUIRE(field.tick()); // once more by itself
    CHECK_FALSE(field.lives(bobs));
    CHECK(field.lives(shared));
    CHECK(field.events.take(EventKind::session_ended).at(0).cause == EndCause::configuration);
}

TEST_CASE("in a panic every session of a service ends but the caller's and those of allowed networks") {
    config::Config config = make_config();
    config.allow = {prefix("198.51.100.0/24")};
    Field field(config);
    const auto caller = session(kClient, "tcp/22"), other = session(kClient, "tcp/22", 40001),
               allowed = session(address("198.51.100.5"), "tcp/22"), nobodys = session(kClient, "tcp/8443");
    for (const auto& s : {caller, other, allowed, nobodys})
        field.begin(s);
    const TcpSession spared{kClient, 40000, kHost, 22};
    CHECK(field.lifetimes.end_all(*field.config, field.own, spared, field.now).value() == 1);
    CHECK(field.lives(caller));
    CHECK_FALSE(field.lives(other));
    CHECK(field.lives(allowed));
    CHECK(field.lives(nobodys));
    CHECK(field.events.take(EventKind::session_ended).at(0).cause == EndCause::panic);
}

TEST_CASE("the operator ends the sessions of an address, or of users who have them alone") {
    Field field;
    REQUIRE(field.open(kAnna, kClient, "ssh", 30) == Answer::done);
    REQUIRE(field.open(kAnna, address("203.0.113.6"), "ssh", 30) == Answer::done);
    REQUIRE(field.open(kBob, address("203.0.113.6"), "ssh", 30) == Answer::done);
    field.begin(session(kClient, "tcp/22"));
    field.begin(session(address("203.0.113.6"), "tcp/22"));
    REQUIRE(field.tick());
    const auto done = field.lifetimes.end_of({field.id(kAnna)}, *field.config, field.own, {}, field.now).value();
    CHECK(done.ended == 1);
    CHECK(done.shared == 1);
    CHECK(field.tracked.size() == 1);
    CHECK(field.lifetimes.end_of(prefix("203.0.113.6/32"), *field.config, field.own, {}, field.now).value() == 1);
    CHECK(field.tracked.empty());
}

TEST_CASE("a grant of single use that has its connection is forgotten before all are written anew") {
    Field field;
    REQUIRE(field.open(kAnna, kClient, "ssh", 30, true) == Answer::done);
    REQUIRE(field.open(kAnna, address("203.0.113.6"), "ssh", 30, true) == Answer::done);
    field.begin(session(kClient, "tcp/22"));
    REQUIRE(field.lifetimes.forget_used(field.own));
    CHECK_FALSE(field.is_open(kSsh));
    CHECK(field.grants.book().pinholes() == 1);
    // Where nobody knows, none of them is opened again.
    field.faults.fail_at(1, true);
    CHECK_FALSE(field.lifetimes.forget_used(field.own));
    field.faults.none();
    CHECK(field.grants.book().pinholes() == 0);
}

TEST_CASE("a range of ports ends no session that this host began from one of them") {
    config::Config config = make_config();
    config.policy.services[4].ports[0] = PortRange::parse("tcp/32000-61000").value();
    Field field(config);
    field.sockets.ephemeral = {32768, 60999};
    field.sockets.listening = {40001};
    nft::Session out; // to a web server, by the kernel's choice of a port
    out.there = {IpProtocol::tcp, kHost, kClient, 40000, 443};
    out.back = out.there.reversed();
    nft::Session in = session(kClient, "tcp/40001", 443);
    field.begin(out);
    field.begin(in);
    CHECK(field.lifetimes.end_of(prefix("203.0.113.5/32"), *field.config, field.own, {}, field.now).value() == 1);
    CHECK(field.lives(out));
    CHECK_FALSE(field.lives(in));
}

TEST_CASE("what a daemon before ended stays ended") {
    Field field;
    REQUIRE(field.open(kAnna, kClient, "vpn", 30) == Answer::done);
    field.begin(session(kClient, "udp/51820"));
    REQUIRE(field.tick());
    REQUIRE(field.grants.close(field.request(kAnna, kClient, "vpn"), field.now).answer == Answer::done);
    REQUIRE(field.tick());
    const auto before = field.sets.dump();
    REQUIRE(before.size() == 2);
    Owners owners(field.grants);
    Lifetimes next({std::make_unique<RecordingSessions>(field.faults, field.tracked),
                    std::make_unique<RecordingSockets>(field.faults, field.sockets), field.sets},
                   field.grants, owners, field.events);
    nft::Element other; // somebody else's
    other.key = nft::address_key(kClient);
    field.sets.put("ended4", other);
    REQUIRE(next.adopt(true, true));
    CHECK(field.sets.dump() == before);
}
