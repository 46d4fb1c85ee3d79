// SPDX-License-Identifier: MIT
// What becomes of sessions when grants end, and of grants while sessions live.
#include "tests/unit/grants/session_fixture.h"
#include "tests/unit/recording/directory.h"

#include <unistd.h>

using namespace xk;
using namespace xk::test;

TEST_CASE("a grant of after: idle is prolonged while a session lives, and ends a while after the last one") {
    SessionFixture f;
    REQUIRE(f.open(kAnna, kClient, "db", 10) == Answer::done);
    const auto s = session(kClient, "tcp/5432");
    f.begin(s);
    for (int i = 0; i < 200; ++i) {
        REQUIRE(f.tick());
        f.pass(1s);
    }
    REQUIRE(f.is_open(kDb));
    CHECK(f.grants.book().all().at(kDb)[0].until > f.now.boot);
    CHECK_FALSE(f.events.take(EventKind::grant_prolonged).empty());
    f.tracked.clear();
    f.sockets.sockets.clear();
    for (int i = 0; i < 62; ++i) {
        REQUIRE(f.tick());
        f.pass(1s);
    }
    CHECK_FALSE(f.is_open(kDb));
    const auto ended = f.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].cause == EndCause::expired);
    CHECK(f.sets.size() == 0);
}

TEST_CASE("a grant of after: idle that is shorter than the time between two looks is prolonged too") {
    SessionFixture f;
    REQUIRE(f.open(kBob, address("203.0.113.6"), "db", 3000) == Answer::done);
    REQUIRE(f.tick()); // a look; the next one is due in 15 s
    f.pass(1s);
    REQUIRE(f.open(kAnna, kClient, "db", 5) == Answer::done);
    f.begin(session(kClient, "tcp/5432"));
    for (int i = 0; i < 10; ++i) {
        REQUIRE(f.tick());
        f.pass(1s);
    }
    CHECK(f.is_open(kDb));
}

TEST_CASE("only sessions of the grant's own client prolong it") {
    SessionFixture f;
    REQUIRE(f.open(kAnna, kClient, "db", 10) == Answer::done);
    f.begin(session(address("203.0.113.6"), "tcp/5432")); // somebody else's
    nft::Session ours = session(kClient, "tcp/5432");     // that this host began
    std::swap(ours.there, ours.back);
    f.tracked.push_back(ours);
    nft::Session dying = session(kClient, "tcp/5432", 40002);
    dying.alive = false;
    f.tracked.push_back(dying);
    for (int i = 0; i < 12; ++i) {
        REQUIRE(f.tick());
        f.pass(1s);
    }
    CHECK_FALSE(f.is_open(kDb));
}

TEST_CASE("where the kernel cannot list sessions, the tick is an error and the next one tries again") {
    SessionFixture f;
    REQUIRE(f.open(kAnna, kClient, "db", 10) == Answer::done);
    f.begin(session(kClient, "tcp/5432"));
    f.pass(9s);
    f.grants.expire(f.now.boot);
    f.faults.fail_at(1);
    CHECK_FALSE(f.tick());
    f.faults.none();
    REQUIRE(f.tick());
    CHECK(f.grants.book().all().at(kDb)[0].until > f.now.boot + 50s);
}

TEST_CASE("a session of after: cut ends with its grant, for good, and with its grant's cause") {
    SessionFixture f;
    REQUIRE(f.open(kAnna, kClient, "vpn", 30) == Answer::done);
    const auto s = session(kClient, "udp/51820"), other = session(address("203.0.113.6"), "udp/51820");
    f.begin(s);
    f.begin(other);                             // it never had a grant: it was there before the gate
    f.begin(session(kClient, "tcp/22", 40009)); // after: keep
    REQUIRE(f.tick());
    CHECK(f.tracked.size() == 3);
    REQUIRE(f.grants.close_grant(f.request(kAnna, kClient, "vpn"), f.now).answer == Answer::done);
    REQUIRE(f.tick());
    CHECK_FALSE(f.lives(s));
    CHECK(f.lives(other));
    CHECK(f.tracked.size() == 2);
    const auto ended = f.events.take(EventKind::session_ended);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].cause == EndCause::by_user);
    CHECK(ended[0].more == "with its grant");
    CHECK(ended[0].service == "vpn");
    CHECK(ended[0].address == kClient);
    // Nothing revives it: both directions are remembered, until a grant opens for it.
    CHECK(f.sets.elements("ended4").size() == 2);
    REQUIRE(f.open(kAnna, kClient, "vpn", 30) == Answer::done);
    CHECK(f.sets.elements("ended4").empty());
}

TEST_CASE("a session of after: cut lives on while its pinhole has a holder") {
    SessionFixture f;
    REQUIRE(f.open(kAnna, kClient, "vpn", 30) == Answer::done);
    REQUIRE(f.open(kBob, kClient, "vpn", 60) == Answer::done);
    const auto s = session(kClient, "udp/51820");
    f.begin(s);
    REQUIRE(f.tick());
    f.pass(31s);
    REQUIRE(f.tick());
    CHECK(f.lives(s));
    f.pass(30s);
    REQUIRE(f.tick());
    CHECK_FALSE(f.lives(s));
    CHECK(f.events.take(EventKind::session_ended).at(0).cause == EndCause::expired);
}

TEST_CASE("a session of after: cut lives on where its grant was closed and opened again before the tick") {
    SessionFixture f;
    REQUIRE(f.open(kAnna, kClient, "vpn", 30) == Answer::done);
    const auto s = session(kClient, "udp/51820");
    f.begin(s);
    REQUIRE(f.tick());
    REQUIRE(f.grants.close_grant(f.request(kAnna, kClient, "vpn"), f.now).answer == Answer::done);
    REQUIRE(f.open(kBob, kClient, "vpn", 30) == Answer::done);
    REQUIRE(f.tick());
    CHECK(f.lives(s));
}

TEST_CASE("a later tick ends the sessions that a failed one did not end, whichever step failed") {
    for (std::size_t step = 1;; ++step) {
        SessionFixture f;
        REQUIRE(f.open(kAnna, kClient, "vpn", 30) == Answer::done);
        const auto s = session(kClient, "udp/51820");
        f.begin(s);
        REQUIRE(f.tick());
        REQUIRE(f.grants.close_grant(f.request(kAnna, kClient, "vpn"), f.now).answer == Answer::done);
        f.report();
        f.faults.fail_at(step);
        const bool done = f.lifetimes.on_tick(*f.config, f.bans, f.own, f.now).has_value();
        const bool struck = f.faults.struck();
        f.faults.none();
        if (!struck) {
            CHECK(done);
            CHECK(step > 4);
            break;
        }
        REQUIRE(f.lifetimes.on_tick(*f.config, f.bans, f.own, f.now));
        CHECK_FALSE(f.lives(s));
        CHECK(f.sets.elements("ended4").size() == 2);
    }
}

TEST_CASE("a tick does all its other steps, whichever one fails, and names each that failed") {
    for (std::size_t step = 1;; ++step) {
        SessionFixture f;
        TemporaryDirectory directory;
        REQUIRE(f.owners.read(directory.path(), ::geteuid()));
        const Address other = address("203.0.113.6"), banned = address("203.0.113.7");
        REQUIRE(f.open(kAnna, kClient, "vpn", 300) == Answer::done);
        REQUIRE(f.open(kAnna, kClient, "db", 10) == Answer::done);
        REQUIRE(f.open(kAnna, other, "ssh", 300, true) == Answer::done);
        const auto cut = session(kClient, "udp/51820"), bad = session(banned, "tcp/22");
        for (const auto& s : {cut, bad, session(kClient, "tcp/5432")})
            f.begin(s);
        f.pass(9s); // the grant of after: idle would end before the next tick
        REQUIRE(f.grants.close_grant(f.request(kAnna, kClient, "vpn"), f.now).answer == Answer::done);
        f.sets.take("once4", nft::grant_key(other, kSsh.endpoint));
        f.bans.add(Prefix::of(banned), {f.now.boot + 60s, ""});
        f.lifetimes.on_ban(f.now.boot);
        f.report();
        f.faults.fail_at(step);
        const auto done = f.lifetimes.on_tick(*f.config, f.bans, f.own, f.now);
        const bool struck = f.faults.struck();
        f.faults.none();
        const bool all_done[] = {!f.lives(bad), !f.lives(cut), !f.is_open(pinhole("203.0.113.6", "tcp/22")),
                                 std::filesystem::exists(Owners::file_in(directory.path())),
                                 f.grants.book().all().at(kDb)[0].until > f.now.boot + 50s};
        const auto steps = std::ranges::count(all_done, true);
        CAPTURE(step);
        CHECK((struck || done));
        CHECK(steps >= (done ? 5 : 4)); // a socket that the kernel does not end is a session for the sets
        if (!struck) {
            CHECK(step > 10);
            break;
        }
        CHECK((done || done.error().message.find("made to fail by the test") != std::string::npos));
    }
    SessionFixture f;
    REQUIRE(f.open(kAnna, kClient, "vpn", 300) == Answer::done);
    REQUIRE(f.grants.close_grant(f.request(kAnna, kClient, "vpn"), f.now).answer == Answer::done);
    f.lifetimes.on_ban(f.now.boot);
    f.report();
    f.faults.fail_at(1, true);
    const std::string message = f.lifetimes.on_tick(*f.config, f.bans, f.own, f.now).error().message;
    CHECK(std::ranges::count(message, '\n') == 2); // the ban, the grant, and who owns what lives
}

TEST_CASE("a ban ends the sessions of its addresses, however short it was") {
    SessionFixture f;
    REQUIRE(f.open(kAnna, kClient, "ssh", 300) == Answer::done);
    const auto s = session(kClient, "tcp/22"), other = session(address("198.51.100.5"), "tcp/22");
    f.begin(s);
    f.begin(other);
    f.bans.add(prefix("203.0.113.0/24"), {f.now.boot + 100ms, "short"});
    f.lifetimes.on_ban(f.now.boot);
    f.pass(900ms); // it is over, but still in the list
    REQUIRE(f.tick());
    CHECK_FALSE(f.lives(s));
    CHECK(f.lives(other));
    const auto ended = f.events.take(EventKind::session_ended);
    REQUIRE(ended.size() == 1); // socket and entry are one session
    CHECK(ended[0].cause == EndCause::banned);
    CHECK(f.sockets.sockets.size() == 1);
}

TEST_CASE("sessions end when their user loses the right, and those of another user behind the same address live on") {
    SessionFixture f;
    REQUIRE(f.open(kBob, kClient, "ssh", 30) == Answer::done);
    REQUIRE(f.open(kAnna, address("203.0.113.6"), "ssh", 30) == Answer::done);
    REQUIRE(f.open(kBob, address("203.0.113.6"), "ssh", 30) == Answer::done);
    const auto bobs = session(kClient, "tcp/22"), shared = session(address("203.0.113.6"), "tcp/22");
    f.begin(bobs);
    f.begin(shared);
    REQUIRE(f.tick());
    f.pass(60s); // the grants are over, the sessions are not
    REQUIRE(f.tick());
    CHECK(f.lives(bobs));
    f.reconfigure([](config::Config& c) {
        std::erase_if(c.policy.credentials, [](const authz::Credential& one) { return one.user.view() == "bob"; });
    });
    f.report();
    f.faults.fail_at(1, true);
    CHECK_FALSE(f.lifetimes.end_disowned(*f.config, f.own, f.now));
    f.faults.none();
    CHECK(f.lives(bobs));
    REQUIRE(f.tick()); // once more by itself
    CHECK_FALSE(f.lives(bobs));
    CHECK(f.lives(shared));
    CHECK(f.events.take(EventKind::session_ended).at(0).cause == EndCause::configuration);
}

TEST_CASE("a deleted user's sessions end although sessions that may begin again cannot be let go yet") {
    SessionFixture f;
    const Address other = address("203.0.113.6");
    REQUIRE(f.open(kAnna, other, "vpn", 30) == Answer::done);
    f.begin(session(other, "udp/51820"));
    REQUIRE(f.tick());
    REQUIRE(f.grants.close_grant(f.request(kAnna, other, "vpn"), f.now).answer == Answer::done);
    REQUIRE(f.tick());
    REQUIRE(f.sets.elements("ended4").size() == 2);
    REQUIRE(f.open(kBob, kClient, "ssh", 30) == Answer::done);
    const auto bobs = session(kClient, "tcp/22");
    f.begin(bobs);
    REQUIRE(f.tick());
    f.reconfigure([](config::Config& c) {
        std::erase_if(c.policy.credentials, [](const authz::Credential& one) { return one.user.view() == "bob"; });
        c.allow.push_back(prefix("203.0.113.6/32"));
    });
    f.report();
    f.faults.fail_at(1);
    CHECK_FALSE(f.lifetimes.end_disowned(*f.config, f.own, f.now));
    f.faults.none();
    CHECK_FALSE(f.lives(bobs));
    CHECK(f.sets.elements("ended4").size() == 2);
    REQUIRE(f.tick());
    CHECK(f.sets.elements("ended4").empty());
}

TEST_CASE("a grant of single use that had its connection is forgotten before all grants are written anew") {
    SessionFixture f;
    REQUIRE(f.open(kAnna, kClient, "ssh", 30, true) == Answer::done);
    REQUIRE(f.open(kAnna, address("203.0.113.6"), "ssh", 30, true) == Answer::done);
    f.begin(session(kClient, "tcp/22"));
    REQUIRE(f.lifetimes.forget_used(f.own));
    CHECK_FALSE(f.is_open(kSsh));
    CHECK(f.grants.book().pinholes() == 1);
    // Where nobody knows, none of them is opened again.
    f.faults.fail_at(1, true);
    CHECK_FALSE(f.lifetimes.forget_used(f.own));
    f.faults.none();
    CHECK(f.grants.book().pinholes() == 0);
}

TEST_CASE("grants that are written anew leave out those of single use that had their connection") {
    SessionFixture f;
    REQUIRE(f.open(kAnna, kClient, "ssh", 30, true) == Answer::done);
    REQUIRE(f.open(kAnna, address("203.0.113.6"), "ssh", 30, true) == Answer::done);
    REQUIRE(f.open(kAnna, address("203.0.113.7"), "ssh", 30) == Answer::done);
    REQUIRE(f.sets.dump().size() == 3);
    f.begin(session(kClient, "tcp/22"));
    REQUIRE(f.lifetimes.restore_grants(f.own, f.now));
    CHECK_FALSE(f.is_open(kSsh));
    CHECK(f.sets.dump().size() == 2);
    f.check_same();
}

TEST_CASE("no grant is written anew where nobody knows which ones had their connection") {
    SessionFixture f;
    REQUIRE(f.open(kAnna, kClient, "ssh", 30, true) == Answer::done);
    REQUIRE(f.open(kAnna, address("203.0.113.7"), "ssh", 30) == Answer::done);
    const std::size_t commits = f.sets.commits();
    f.faults.fail_at(1);
    CHECK(f.lifetimes.restore_grants(f.own, f.now).error().message == "list sockets: made to fail by the test");
    f.faults.none();
    CHECK(f.sets.commits() == commits);
}

TEST_CASE("a range of ports ends no session that this host began from one of them") {
    config::Config config = make_config();
    config.policy.services[4].ports[0] = PortRange::parse("tcp/32000-61000").value();
    SessionFixture f(config);
    f.sockets.ephemeral = {32768, 60999};
    f.sockets.listening = {40001};
    nft::Session out; // to a web server, by the kernel's choice of a port
    out.there = {IpProtocol::tcp, kHost, kClient, 40000, 443};
    out.back = out.there.reversed();
    nft::Session in = session(kClient, "tcp/40001", 443);
    f.begin(out);
    f.begin(in);
    CHECK(f.lifetimes.end_sessions_of(prefix("203.0.113.5/32"), *f.config, f.own, {}, f.now).value() == 1);
    CHECK(f.lives(out));
    CHECK_FALSE(f.lives(in));
}

TEST_CASE("sessions that an earlier daemon ended stay ended") {
    SessionFixture f;
    REQUIRE(f.open(kAnna, kClient, "vpn", 30) == Answer::done);
    f.begin(session(kClient, "udp/51820"));
    REQUIRE(f.tick());
    REQUIRE(f.grants.close_grant(f.request(kAnna, kClient, "vpn"), f.now).answer == Answer::done);
    REQUIRE(f.tick());
    const auto before = f.sets.dump();
    REQUIRE(before.size() == 2);
    Owners owners(f.grants);
    Lifetimes next({std::make_unique<RecordingSessions>(f.faults, f.tracked),
                    std::make_unique<RecordingSockets>(f.faults, f.sockets), f.sets},
                   f.grants, owners, f.events);
    nft::Element other; // somebody else's
    other.key = nft::address_key(kClient);
    f.sets.put("ended4", other);
    REQUIRE(next.adopt(true, true));
    CHECK(f.sets.dump() == before);
}

namespace {

// The sessions' half of another daemon, with the owners that the one before wrote into a file, or without.
struct NextDaemon {
    NextDaemon(SessionFixture& before, bool has_owners) : f(before), owners(before.grants) {
        if (has_owners) {
            REQUIRE(before.owners.read(directory.path(), ::geteuid()));
            before.owners.on_pinhole_began({kVpn, before.id(kAnna)});
            REQUIRE(before.owners.save());
        }
        REQUIRE(owners.read(directory.path(), ::geteuid()));
        CHECK(owners.was_read() == has_owners);
    }
    // Whether the session lives on after the first tick.
    bool keeps(const nft::Session& s, bool has_table, bool ruleset_was_there) {
        REQUIRE(lifetimes.adopt(has_table, ruleset_was_there));
        REQUIRE(lifetimes.on_tick(*f.config, f.bans, f.own, f.now));
        return f.lives(s);
    }
    SessionFixture& f;
    TemporaryDirectory directory;
    Owners owners;
    Lifetimes lifetimes{{std::make_unique<RecordingSessions>(f.faults, f.tracked),
                         std::make_unique<RecordingSockets>(f.faults, f.sockets), f.sets},
                        f.grants,
                        owners,
                        f.events};
};

} // namespace

TEST_CASE("a session of after: cut whose grant ended while no daemon ran ends at the start, and no older one") {
    const auto s = session(kClient, "udp/51820"), other = session(address("203.0.113.6"), "udp/51820");
    struct Case {
        bool has_owners, has_table, ruleset_was_there, one_lives, other_lives;
    };
    for (const Case& c : {Case{true, true, true, false, true},     // only the recorded one had a grant
                          Case{false, true, true, false, false},   // nobody knows who had one
                          Case{true, true, false, true, true},     // no ruleset stood: nobody needed a grant
                          Case{true, false, false, false, true},   // mode external: the file says that a daemon ran
                          Case{false, false, true, true, true}}) { // mode external and the first daemon
        SessionFixture f;
        f.begin(s);
        f.begin(other);
        NextDaemon next(f, c.has_owners);
        CHECK(next.keeps(s, c.has_table, c.ruleset_was_there) == c.one_lives);
        CHECK(f.lives(other) == c.other_lives);
    }
}

TEST_CASE("at the start a failure to list ended sessions is an error") {
    SessionFixture f;
    NextDaemon next(f, false);
    f.faults.fail_at(1);
    CHECK_FALSE(next.lifetimes.adopt(true, true));
    CHECK(next.lifetimes.adopt(false, true)); // there are no sets
    f.faults.none();
}
