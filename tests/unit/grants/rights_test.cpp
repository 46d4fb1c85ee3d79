// SPDX-License-Identifier: MIT
// Grants that end, or get no more time, because their holders may not hold them any more.
#include "tests/unit/grants/fixtures.h"

using namespace xk;
using namespace xk::test;

namespace {

const Pinhole kSsh = pinhole("203.0.113.5", "tcp/22");

void remove(config::Config& config, const char* user) {
    const auto gone =
        std::erase_if(config.policy.credentials, [&](const authz::Credential& c) { return c.user.view() == user; });
    REQUIRE(gone == 1);
}

} // namespace

TEST_CASE("at a reload the grants of a user who was deleted are closed, and those of others stand") {
    Ground ground;
    REQUIRE(ground.open(kBob, "203.0.113.5", "web") == Answer::done);
    REQUIRE(ground.open(kBob, "203.0.113.5") == Answer::done);
    REQUIRE(ground.open(kAnna, "203.0.113.5") == Answer::done);
    REQUIRE(ground.grants.book().pinholes() == 3);
    ground.report();
    const wire::CredentialId bob = ground.id(kBob);
    ground.reconfigure([](config::Config& c) { remove(c, "bob"); });
    CHECK(ground.grants.book().pinholes_of(bob) == 0);
    CHECK(ground.grants.book().pinholes() == 1);
    REQUIRE(ground.is_open(kSsh));
    CHECK(ground.grants.book().all().at(kSsh).size() == 1);
    CHECK(ground.sets.elements("grants4")[0].comment == "anna/laptop");
    ground.check_same();
    ground.report();
    const auto ended = ground.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 2); // of web and of ssh
    for (const authz::Event& event : ended) {
        CHECK(event.user == "bob");
        CHECK(event.cause == EndCause::configuration);
    }
}

TEST_CASE("a reload that cannot close a deleted user's grants says so, and the next tick does not believe them gone") {
    Ground ground;
    REQUIRE(ground.open(kBob, "203.0.113.5") == Answer::done);
    const auto next = ground.changed([](config::Config& c) { remove(c, "bob"); });
    ground.faults.fail_at(1);
    CHECK_FALSE(ground.grants.reconfigure(next, ground.now));
    ground.faults.none();
    CHECK(ground.is_open(kSsh));
    ground.check_same();
    REQUIRE(ground.grants.reconfigure(next, ground.now));
    CHECK(ground.grants.book().pinholes() == 0);
    CHECK(ground.sets.size() == 0);
}

TEST_CASE("grants keep the configuration that counts, whoever else forgets it") {
    Ground ground;
    std::weak_ptr<const config::Config> first = ground.config;
    ground.reconfigure([](config::Config& c) { c.policy.credentials[kAnna].user = authz::Name("anne"); });
    CHECK(first.expired()); // nobody holds on to one that was replaced
    ground.config.reset();
    CHECK(ground.grants.label_of({0, 1, 0xcc}) == "anne/laptop");
    CHECK(ground.grants.policy().credentials.size() == 3);
}

TEST_CASE("who loses a service loses its grants, and who is disabled loses all") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5") == Answer::done);
    REQUIRE(ground.open(kAnna, "203.0.113.5", "web") == Answer::done);
    REQUIRE(ground.open(kBob, "203.0.113.6") == Answer::done);
    ground.reconfigure([](config::Config& c) {
        c.policy.credentials[kAnna].services.reset(1);
        c.policy.credentials[kBob].enabled = false;
    });
    CHECK(ground.grants.book().pinholes() == 1);
    CHECK(ground.is_open(kSsh));
    ground.check_same();
}

TEST_CASE("no grant outlasts its user, by the date that a reload brings") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5", "ssh", 300) == Answer::done);
    REQUIRE(ground.open(kBob, "203.0.113.5", "ssh", 200) == Answer::done);
    const WallTime end = ground.now.wall + 60s;
    ground.reconfigure([&](config::Config& c) { c.policy.credentials[kAnna].valid_until = end; });
    const auto& holders = ground.grants.book().all().at(kSsh);
    REQUIRE(holders.size() == 2);
    CHECK(holders[0].credential == ground.id(kBob)); // the longest first
    CHECK(holders[1].until == ground.now.boot + 60s);
    CHECK(ground.sets.elements("grants4")[0].expires == 200s);
    ground.check_same();
}

TEST_CASE("a grant ends with its user's dates and hours, also where nobody changes the configuration") {
    config::Config config = make_config();
    Ground ground(config);
    ground.reconfigure([&](config::Config& c) {
        c.policy.credentials[kAnna].valid_until = ground.now.wall + 1h;
        // Of this minute of the week alone.
        authz::Credential& bob = c.policy.credentials[kBob];
        const auto minute = std::chrono::duration_cast<std::chrono::minutes>(ground.now.wall.time_since_epoch());
        const std::time_t seconds = std::chrono::duration_cast<std::chrono::seconds>(minute).count();
        std::tm local{};
        REQUIRE(::localtime_r(&seconds, &local) != nullptr);
        const int at = (local.tm_wday * 24 + local.tm_hour) * 60 + local.tm_min;
        bob.hours.count = 1;
        bob.hours.spans[0] = {static_cast<std::uint16_t>(at), static_cast<std::uint16_t>(at + 1)};
    });
    REQUIRE(ground.open(kAnna, "203.0.113.5", "ssh", 3600) == Answer::done);
    REQUIRE(ground.open(kBob, "203.0.113.5", "ssh", 3600) == Answer::done);
    REQUIRE(ground.open(kCarl, "203.0.113.6", "ssh", 3600) == Answer::done);
    ground.report();
    REQUIRE(ground.grants.end_barred(ground.now));
    CHECK(ground.grants.book().all().at(kSsh).size() == 2);
    ground.pass(61s);
    ground.faults.fail_at(1);
    CHECK_FALSE(ground.grants.end_barred(ground.now));
    ground.faults.none();
    CHECK(ground.grants.book().all().at(kSsh).size() == 2);
    REQUIRE(ground.grants.end_barred(ground.now)); // bob's minute is over
    CHECK(ground.grants.book().pinholes_of(ground.id(kBob)) == 0);
    CHECK(ground.grants.book().pinholes_of(ground.id(kAnna)) == 1);
    ground.now.wall += 1h; // the clock was set: the boot time of the grant is not over
    REQUIRE(ground.grants.end_barred(ground.now));
    CHECK_FALSE(ground.is_open(kSsh));
    CHECK(ground.grants.book().pinholes() == 1);
    ground.check_same();
    ground.report();
    const auto ended = ground.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 2);
    for (const authz::Event& event : ended)
        CHECK(event.cause == EndCause::rights);
}

TEST_CASE("a grant is prolonged for those who may hold it, and never shortened") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done);
    REQUIRE(ground.open(kBob, "203.0.113.5", "ssh", 20) == Answer::done);
    const auto was = ground.grants.book().all().at(kSsh);
    // Bob's days are over between a tick and the next one.
    ground.config =
        ground.changed([&](config::Config& c) { c.policy.credentials[kBob].valid_until = ground.now.wall + 25s; });
    REQUIRE(ground.grants.reconfigure(ground.config, ground.now));
    ground.faults.fail_at(1);
    CHECK_FALSE(ground.grants.prolong({{kSsh, 100s}}, ground.now));
    ground.faults.none();
    CHECK(ground.grants.book().all().at(kSsh) == was);
    REQUIRE(ground.grants.prolong({{kSsh, 100s}, {pinhole("203.0.113.9", "tcp/22"), 100s}}, ground.now));
    const auto& longer = ground.grants.book().all().at(kSsh);
    REQUIRE(longer.size() == 2);
    CHECK(longer[0].until == ground.now.boot + 100s);
    CHECK(longer[1].until == ground.now.boot + 25s); // not beyond their date
    CHECK(ground.sets.elements("grants4")[0].expires == 100s);
    const std::size_t commits = ground.sets.commits();
    REQUIRE(ground.grants.prolong({{kSsh, 50s}}, ground.now));
    CHECK(ground.sets.commits() == commits);
    CHECK(ground.grants.book().pinholes() == 1);
    ground.check_same();
}

TEST_CASE("in a panic everybody's grants close but the operator's") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5") == Answer::done);
    REQUIRE(
        ground.grants.open_by_operator(ground.request(0, address("203.0.113.5")), ground.bans, ground.own, ground.now)
            .answer == Answer::done);
    ground.report();
    CHECK(ground.grants.close_users(ground.now).value() == 1);
    REQUIRE(ground.is_open(kSsh));
    CHECK(ground.grants.book().all().at(kSsh)[0].credential == authz::kOperator);
    ground.check_same();
    ground.report();
    const auto ended = ground.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].user == "anna");
    CHECK(ended[0].cause == EndCause::panic);
}
