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
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5", "web", 45) == Answer::done);
    ground.report();
    REQUIRE(ground.events.all.size() == 1);
    const authz::Event begun = ground.events.all[0];
    CHECK(begun.kind == EventKind::grant_begun);
    CHECK(begun.user == "anna");
    CHECK(begun.device == "laptop");
    CHECK(begun.service == "web");
    CHECK(begun.address == kSsh.address);
    CHECK(begun.pinholes == "tcp/80, tcp/443");
    CHECK(begun.lifetime == 45s);
    CHECK(begun.at.boot == ground.now.boot);
    ground.events.all.clear();
    REQUIRE(ground.grants.close(ground.request(kAnna, kSsh.address, "web"), ground.now).answer == Answer::done);
    ground.report();
    REQUIRE(ground.events.all.size() == 1);
    CHECK(ground.events.all[0].kind == EventKind::grant_ended);
    CHECK(ground.events.all[0].cause == EndCause::by_user);
    CHECK(ground.events.all[0].user == "anna");
    CHECK(ground.events.all[0].service == "web");
    ground.report();
    CHECK(ground.events.all.size() == 1);
}

TEST_CASE("a knock that comes again prolongs the grant, and one that asks for less says nothing") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5", "web", 45) == Answer::done);
    ground.report();
    ground.events.all.clear();
    REQUIRE(ground.open(kAnna, "203.0.113.5", "web", 30) == Answer::done);
    ground.report();
    CHECK(ground.events.all.empty());
    REQUIRE(ground.open(kAnna, "203.0.113.5", "web", 90) == Answer::done);
    ground.report();
    REQUIRE(ground.events.all.size() == 1);
    CHECK(ground.events.all[0].kind == EventKind::grant_prolonged);
    CHECK(ground.events.all[0].lifetime == 90s);
    CHECK(ground.events.all[0].service == "web");
}

TEST_CASE("what ended and began again between two reports is two grants") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5") == Answer::done);
    ground.report();
    ground.events.all.clear();
    REQUIRE(ground.grants.close(ground.request(kAnna, kSsh.address), ground.now).answer == Answer::done);
    REQUIRE(ground.open(kAnna, "203.0.113.5") == Answer::done);
    ground.report();
    REQUIRE(ground.events.all.size() == 2);
    CHECK(ground.events.all[0].kind == EventKind::grant_ended);
    CHECK(ground.events.all[1].kind == EventKind::grant_begun);
    // And one that nobody heard of at all is none.
    ground.events.all.clear();
    REQUIRE(ground.open(kBob, "203.0.113.5") == Answer::done);
    REQUIRE(ground.grants.close(ground.request(kBob, kSsh.address), ground.now).answer == Answer::done);
    ground.report();
    CHECK(ground.events.all.empty());
}

TEST_CASE("the cause of an end is told: time, the operator, and another in their place") {
    Ground ground(make_config(8));
    REQUIRE(ground.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done);
    ground.report();
    ground.pass(31s);
    ground.grants.expire(ground.now.boot);
    ground.report();
    CHECK(ground.events.take(EventKind::grant_ended).at(0).cause == EndCause::expired);
    REQUIRE(ground.open(kAnna, "203.0.113.5") == Answer::done);
    REQUIRE(ground.grants.close_credentials({ground.id(kAnna)}, ground.now));
    REQUIRE(ground.open(kAnna, "203.0.113.6") == Answer::done);
    ground.report();
    REQUIRE(ground.grants.close_prefix(prefix("203.0.113.6/32"), ground.now));
    ground.report();
    CHECK(ground.events.take(EventKind::grant_ended).at(0).cause == EndCause::by_operator);
    for (std::uint32_t who = 0; who <= authz::kMaxHolders; ++who)
        REQUIRE(ground.open(who, "203.0.113.5", "ssh", 30 + who) == Answer::done);
    ground.report();
    // Nobody had heard of the first one: it began and ended since.
    CHECK(ground.events.take(EventKind::grant_ended).empty());
    REQUIRE(ground.open(kAnna, "203.0.113.5", "ssh", 300) == Answer::done);
    ground.report();
    const auto displaced = ground.events.take(EventKind::grant_ended);
    REQUIRE(displaced.size() == 1);
    CHECK(displaced[0].user == "bob");
    CHECK(displaced[0].cause == EndCause::displaced);
}

TEST_CASE("grants that a daemon before granted go on without an event, and their end is told") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5", "web", 30) == Answer::done);
    Grants next(ground.sets, ground.config, [&] { return ground.now.boot; });
    REQUIRE(next.adopt(ground.now));
    RecordingEvents events;
    GrantEvents reporter(next, events);
    reporter.adopt(ground.config->policy);
    reporter.report(ground.config->policy, ground.now);
    CHECK(events.all.empty());
    ground.pass(31s);
    next.expire(ground.now.boot);
    reporter.report(ground.config->policy, ground.now);
    REQUIRE(events.all.size() == 1);
    CHECK(events.all[0].kind == EventKind::grant_ended);
    CHECK(events.all[0].service == "web");
}

TEST_CASE("the end of a grant is told with its names, though the configuration has them no more") {
    Ground ground;
    REQUIRE(ground.open(kBob, "203.0.113.5", "web") == Answer::done);
    ground.report();
    ground.reconfigure([](config::Config& c) {
        c.policy.services[1].name = authz::Name("www");
        c.policy.services[1].id = service_id("www");
        c.policy.credentials.pop_back();
        c.policy.credentials.pop_back();
    });
    ground.report();
    const auto ended = ground.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].user == "bob");
    CHECK(ended[0].service == "web");
}

TEST_CASE("SYNs are dropped only of what the rules shut, and only while the filter knows all of it") {
    Ground ground;
    SynDrop drop(ground.guard, ground.grants);
    ground.reporter.add_listener(drop);
    const auto config = ground.changed([](config::Config& c) {
        c.allow = {prefix("198.51.100.0/24")};
        authz::Service& behind = c.policy.services[2];
        behind.target4 = address("10.0.0.7");
        behind.published = Endpoint::parse("tcp/8080").value();
    });
    drop.switch_on(*config, ground.own, ground.now.boot);
    CHECK(ground.guard.is_on());
    CHECK_FALSE(ground.guard.was_on_while_set);
    CHECK(ground.guard.local == ground.own);
    CHECK(ground.guard.allowed == config->allow);
    const auto has = [&](const char* port) {
        return std::ranges::find(ground.guard.ports, PortRange::parse(port).value()) != ground.guard.ports.end();
    };
    CHECK(has("tcp/22"));
    CHECK(has("tcp/7000-7100"));
    CHECK(has("tcp/8080"));
    CHECK_FALSE(has("udp/51820")); // of a host behind this one
    drop.switch_off();
    CHECK_FALSE(ground.guard.is_on());
    // Where the filter does not take it, SYNs are left to nftables.
    ground.guard.faults.fail_at(1);
    drop.switch_on(*config, ground.own, ground.now.boot);
    CHECK_FALSE(ground.guard.is_on());
    ground.guard.faults.none();
    for (const auto& change : std::initializer_list<std::function<void(config::Config&)>>{
             [](config::Config& c) { c.drop_syn = false; }, [](config::Config& c) { c.gate_closed = true; },
             [](config::Config& c) { c.gate_mode = config::GateMode::external; }}) {
        drop.switch_on(*config, ground.own, ground.now.boot);
        REQUIRE(ground.guard.is_on());
        drop.switch_on(*ground.changed(change), ground.own, ground.now.boot);
        CHECK_FALSE(ground.guard.is_on());
    }
}

TEST_CASE("a source whose grant ended early is known only for as long as another grant of it") {
    Ground ground;
    SynDrop drop(ground.guard, ground.grants);
    ground.reporter.add_listener(drop);
    REQUIRE(ground.open(kAnna, "203.0.113.5", "ssh", 300) == Answer::done);
    REQUIRE(ground.open(kAnna, "203.0.113.5", "web", 100) == Answer::done);
    CHECK(ground.guard.sources.at(kSsh.address) == ground.now.boot + 300s);
    REQUIRE(ground.grants.close(ground.request(kAnna, kSsh.address), ground.now).answer == Answer::done);
    ground.report();
    drop.on_tick(ground.now.boot);
    CHECK(ground.guard.sources.at(kSsh.address) == ground.now.boot + 100s);
    REQUIRE(ground.grants.close_all(kAnna, ground.now).answer == Answer::done);
    ground.report();
    drop.on_tick(ground.now.boot);
    CHECK_FALSE(ground.guard.sources.contains(kSsh.address));
}
