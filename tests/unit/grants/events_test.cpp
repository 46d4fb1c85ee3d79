// SPDX-License-Identifier: MIT
// A grant as it is told of: once begun, prolonged, and once ended.
#include "daemon/grants/syn_drop.h"
#include "tests/unit/grants/fixtures.h"

using namespace xk;
using namespace xk::test;

namespace {

const Pinhole kSsh = pinhole("203.0.113.5", "tcp/22");

} // namespace

TEST_CASE("a grant of a service begins once and ends once, however many pinholes it has") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "web", 45) == Answer::done);
    f.report();
    REQUIRE(f.events.all.size() == 1);
    const authz::Event begun = f.events.all[0];
    CHECK(begun.kind == EventKind::grant_begun);
    CHECK(begun.user == "anna");
    CHECK(begun.device == "laptop");
    CHECK(begun.service == "web");
    CHECK(begun.address == kSsh.address);
    CHECK(begun.pinholes == "tcp/80, tcp/443");
    CHECK(begun.lifetime == 45s);
    CHECK(begun.at.boot == f.now.boot);
    f.events.all.clear();
    REQUIRE(f.grants.close_grant(f.request(kAnna, kSsh.address, "web"), f.now).answer == Answer::done);
    f.report();
    REQUIRE(f.events.all.size() == 1);
    CHECK(f.events.all[0].kind == EventKind::grant_ended);
    CHECK(f.events.all[0].cause == EndCause::by_user);
    CHECK(f.events.all[0].user == "anna");
    CHECK(f.events.all[0].service == "web");
    CHECK(f.events.all[0].pinholes == "tcp/80, tcp/443"); // also those that ended before the last one
    f.report();
    CHECK(f.events.all.size() == 1);
}

TEST_CASE("a second knock prolongs the grant, and one for less time emits no event") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "web", 45) == Answer::done);
    f.report();
    f.events.all.clear();
    REQUIRE(f.open(kAnna, "203.0.113.5", "web", 30) == Answer::done);
    f.report();
    CHECK(f.events.all.empty());
    REQUIRE(f.open(kAnna, "203.0.113.5", "web", 90) == Answer::done);
    f.report();
    REQUIRE(f.events.all.size() == 1);
    CHECK(f.events.all[0].kind == EventKind::grant_prolonged);
    CHECK(f.events.all[0].lifetime == 90s);
    CHECK(f.events.all[0].service == "web");
}

TEST_CASE("a grant that its sessions alone prolong says so") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 45) == Answer::done);
    f.report();
    f.events.all.clear();
    REQUIRE(f.grants.prolong({{kSsh, 60s}}, f.now));
    f.report();
    REQUIRE(f.events.all.size() == 1);
    CHECK(f.events.all[0].kind == EventKind::grant_prolonged);
    CHECK(f.events.all[0].detail == "by its sessions");
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 90) == Answer::done);
    REQUIRE(f.grants.prolong({{kSsh, 120s}}, f.now));
    f.report();
    REQUIRE(f.events.all.size() == 2);
    CHECK(f.events.all[1].detail.empty());
    CHECK(f.events.all[1].lifetime == 120s);
}

TEST_CASE("a grant that ended and began again between two reports is two grants") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5") == Answer::done);
    f.report();
    f.events.all.clear();
    REQUIRE(f.grants.close_grant(f.request(kAnna, kSsh.address), f.now).answer == Answer::done);
    REQUIRE(f.open(kAnna, "203.0.113.5") == Answer::done);
    f.report();
    REQUIRE(f.events.all.size() == 2);
    CHECK(f.events.all[0].kind == EventKind::grant_ended);
    CHECK(f.events.all[1].kind == EventKind::grant_begun);
    // And one that nobody heard of at all is none.
    f.events.all.clear();
    REQUIRE(f.open(kBob, "203.0.113.5") == Answer::done);
    REQUIRE(f.grants.close_grant(f.request(kBob, kSsh.address), f.now).answer == Answer::done);
    f.report();
    CHECK(f.events.all.empty());
}

TEST_CASE("the event of an end has its cause: time, the operator, or another holder in its place") {
    GrantFixture f(make_config(8));
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done);
    f.report();
    f.pass(31s);
    f.grants.expire(f.now.boot);
    f.report();
    CHECK(f.events.take(EventKind::grant_ended).at(0).cause == EndCause::expired);
    REQUIRE(f.open(kAnna, "203.0.113.5") == Answer::done);
    REQUIRE(f.grants.close_credentials({f.id(kAnna)}, f.now));
    REQUIRE(f.open(kAnna, "203.0.113.6") == Answer::done);
    f.report();
    REQUIRE(f.grants.close_prefix(prefix("203.0.113.6/32"), f.now));
    f.report();
    CHECK(f.events.take(EventKind::grant_ended).at(0).cause == EndCause::by_operator);
    for (std::uint32_t who = 0; who <= authz::kMaxHolders; ++who)
        REQUIRE(f.open(who, "203.0.113.5", "ssh", 30 + who) == Answer::done);
    f.report();
    // Nobody had heard of the first one: it began and ended since.
    CHECK(f.events.take(EventKind::grant_ended).empty());
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 300) == Answer::done);
    f.report();
    const auto displaced = f.events.take(EventKind::grant_ended);
    REQUIRE(displaced.size() == 1);
    CHECK(displaced[0].user == "bob");
    CHECK(displaced[0].cause == EndCause::displaced);
}

TEST_CASE("grants of an earlier daemon go on without an event, and their end has one") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "web", 30) == Answer::done);
    Grants next(f.sets, f.config, [&] { return f.now.boot; });
    REQUIRE(next.adopt(f.now));
    RecordingEvents events;
    GrantEvents reporter(next, events);
    reporter.adopt(f.config->policy);
    reporter.report(f.config->policy, f.now);
    CHECK(events.all.empty());
    f.pass(31s);
    next.expire(f.now.boot);
    reporter.report(f.config->policy, f.now);
    REQUIRE(events.all.size() == 1);
    CHECK(events.all[0].kind == EventKind::grant_ended);
    CHECK(events.all[0].service == "web");
}

TEST_CASE("the event of an end has the grant's names, even where the configuration does not know them any more") {
    GrantFixture f;
    REQUIRE(f.open(kBob, "203.0.113.5", "web") == Answer::done);
    f.report();
    f.reconfigure([](config::Config& c) {
        c.policy.services[1].name = authz::Name("www");
        c.policy.services[1].id = service_id("www");
        c.policy.credentials.pop_back();
        c.policy.credentials.pop_back();
    });
    f.report();
    const auto ended = f.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].user == "bob");
    CHECK(ended[0].service == "web");
}

TEST_CASE("SYNs are dropped only for ports that the rules shut, and only while the filter knows everything") {
    GrantFixture f;
    SynDrop drop(f.guard, f.grants);
    f.reporter.add_listener(drop);
    const auto config = f.changed([](config::Config& c) {
        c.allow = {prefix("198.51.100.0/24")};
        authz::Service& behind = c.policy.services[2];
        behind.target4 = address("10.0.0.7");
        behind.published = Endpoint::parse("tcp/8080").value();
    });
    drop.switch_on(*config, f.own, f.now.boot);
    CHECK(f.guard.is_on());
    CHECK_FALSE(f.guard.was_on_while_set);
    CHECK(f.guard.local == f.own);
    CHECK(f.guard.allowed == config->allow);
    const auto has = [&](const char* port) {
        return std::ranges::find(f.guard.ports, PortRange::parse(port).value()) != f.guard.ports.end();
    };
    CHECK(has("tcp/22"));
    CHECK(has("tcp/7000-7100"));
    CHECK(has("tcp/8080"));
    CHECK_FALSE(has("udp/51820")); // of a host behind this one
    drop.switch_off();
    CHECK_FALSE(f.guard.is_on());
    // Where the filter does not take it, SYNs are left to nftables.
    f.guard.faults.fail_at(1);
    drop.switch_on(*config, f.own, f.now.boot);
    CHECK_FALSE(f.guard.is_on());
    f.guard.faults.none();
    for (const auto& change : std::initializer_list<std::function<void(config::Config&)>>{
             [](config::Config& c) { c.drop_syn = false; }, [](config::Config& c) { c.gate_closed = true; },
             [](config::Config& c) { c.gate_mode = config::GateMode::external; }}) {
        drop.switch_on(*config, f.own, f.now.boot);
        REQUIRE(f.guard.is_on());
        drop.switch_on(*f.changed(change), f.own, f.now.boot);
        CHECK_FALSE(f.guard.is_on());
    }
}

TEST_CASE("the filter forgets a source whose grant ended early when its last grant ends") {
    GrantFixture f;
    SynDrop drop(f.guard, f.grants);
    f.reporter.add_listener(drop);
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 300) == Answer::done);
    REQUIRE(f.open(kAnna, "203.0.113.5", "web", 100) == Answer::done);
    CHECK(f.guard.sources.at(kSsh.address) == f.now.boot + 300s);
    REQUIRE(f.grants.close_grant(f.request(kAnna, kSsh.address), f.now).answer == Answer::done);
    f.report();
    drop.on_tick(f.now.boot);
    CHECK(f.guard.sources.at(kSsh.address) == f.now.boot + 100s);
    REQUIRE(f.grants.close_all(kAnna, f.now).answer == Answer::done);
    f.report();
    drop.on_tick(f.now.boot);
    CHECK_FALSE(f.guard.sources.contains(kSsh.address));
}
