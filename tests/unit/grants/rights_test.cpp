// SPDX-License-Identifier: MIT
// Grants that end, or get no more time, because their holders may not hold them any more.
#include "tests/unit/grants/fixtures.h"
#include "tests/unit/recording/log.h"

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
    GrantFixture f;
    REQUIRE(f.open(kBob, "203.0.113.5", "web") == Answer::done);
    REQUIRE(f.open(kBob, "203.0.113.5") == Answer::done);
    REQUIRE(f.open(kAnna, "203.0.113.5") == Answer::done);
    REQUIRE(f.grants.book().pinholes() == 3);
    f.report();
    const wire::CredentialId bob = f.id(kBob);
    f.reconfigure([](config::Config& c) { remove(c, "bob"); });
    CHECK(f.grants.book().pinholes_of(bob) == 0);
    CHECK(f.grants.book().pinholes() == 1);
    REQUIRE(f.is_open(kSsh));
    CHECK(f.grants.book().all().at(kSsh).size() == 1);
    CHECK(f.sets.elements("grants4")[0].comment == "anna/laptop");
    f.check_same();
    f.report();
    const auto ended = f.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 2); // of web and of ssh
    for (const authz::Event& event : ended) {
        CHECK(event.user == "bob");
        CHECK(event.cause == EndCause::configuration);
        CHECK(event.reject == authz::Reject::disabled);
    }
}

TEST_CASE("a reload that cannot close a deleted user's grants is an error, and the book still has them") {
    GrantFixture f;
    REQUIRE(f.open(kBob, "203.0.113.5") == Answer::done);
    const auto next = f.changed([](config::Config& c) { remove(c, "bob"); });
    f.faults.fail_at(1);
    CHECK_FALSE(f.grants.reconfigure(next, f.now));
    f.faults.none();
    CHECK(f.is_open(kSsh));
    f.check_same();
    REQUIRE(f.grants.reconfigure(next, f.now));
    CHECK(f.grants.book().pinholes() == 0);
    CHECK(f.sets.size() == 0);
}

TEST_CASE("grants share the configuration that counts and forget the one before") {
    GrantFixture f;
    std::weak_ptr<const config::Config> first = f.config;
    f.reconfigure([](config::Config& c) { c.policy.credentials[kAnna].user = authz::Name("anne"); });
    CHECK(first.expired()); // nobody holds on to one that was replaced
    f.config.reset();
    CHECK(f.grants.label_of({0, 1, 0xcc}) == "anne/laptop");
    CHECK(f.grants.policy().credentials.size() == 3);
}

TEST_CASE("a user who loses a service loses its grants, and a disabled one loses all") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5") == Answer::done);
    REQUIRE(f.open(kAnna, "203.0.113.5", "web") == Answer::done);
    REQUIRE(f.open(kBob, "203.0.113.6") == Answer::done);
    f.reconfigure([](config::Config& c) {
        c.policy.credentials[kAnna].services.reset(1);
        c.policy.credentials[kBob].enabled = false;
    });
    CHECK(f.grants.book().pinholes() == 1);
    CHECK(f.is_open(kSsh));
    f.check_same();
}

TEST_CASE("a reload shortens grants to their user's new last date") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 300) == Answer::done);
    REQUIRE(f.open(kBob, "203.0.113.5", "ssh", 200) == Answer::done);
    const WallTime end = f.now.wall + 60s;
    f.reconfigure([&](config::Config& c) { c.policy.credentials[kAnna].valid_until = end; });
    const auto& holders = f.grants.book().all().at(kSsh);
    REQUIRE(holders.size() == 2);
    CHECK(holders[0].credential == f.id(kBob)); // the longest first
    CHECK(holders[1].until == f.now.boot + 60s);
    CHECK(f.sets.elements("grants4")[0].expires == 200s);
    f.check_same();
}

TEST_CASE("a grant ends with its user's dates and hours, also without a reload") {
    config::Config config = make_config();
    GrantFixture f(config);
    f.reconfigure([&](config::Config& c) {
        c.policy.credentials[kAnna].valid_until = f.now.wall + 1h;
        // Of this minute of the week alone.
        authz::Credential& bob = c.policy.credentials[kBob];
        const auto minute = std::chrono::duration_cast<std::chrono::minutes>(f.now.wall.time_since_epoch());
        const std::time_t seconds = std::chrono::duration_cast<std::chrono::seconds>(minute).count();
        std::tm local{};
        REQUIRE(::localtime_r(&seconds, &local) != nullptr);
        const int at = (local.tm_wday * 24 + local.tm_hour) * 60 + local.tm_min;
        bob.hours.count = 1;
        bob.hours.spans[0] = {static_cast<std::uint16_t>(at), static_cast<std::uint16_t>(at + 1)};
    });
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 3600) == Answer::done);
    REQUIRE(f.open(kBob, "203.0.113.5", "ssh", 3600) == Answer::done);
    REQUIRE(f.open(kCarl, "203.0.113.6", "ssh", 3600) == Answer::done);
    f.report();
    REQUIRE(f.grants.end_barred(f.now));
    CHECK(f.grants.book().all().at(kSsh).size() == 2);
    f.pass(61s);
    f.faults.fail_at(1);
    CHECK_FALSE(f.grants.end_barred(f.now));
    f.faults.none();
    CHECK(f.grants.book().all().at(kSsh).size() == 2);
    REQUIRE(f.grants.end_barred(f.now)); // bob's minute is over
    CHECK(f.grants.book().pinholes_of(f.id(kBob)) == 0);
    CHECK(f.grants.book().pinholes_of(f.id(kAnna)) == 1);
    f.now.wall += 1h; // the clock was set: the boot time of the grant is not over
    REQUIRE(f.grants.end_barred(f.now));
    CHECK_FALSE(f.is_open(kSsh));
    CHECK(f.grants.book().pinholes() == 1);
    f.check_same();
    f.report();
    const auto ended = f.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 2);
    for (const authz::Event& event : ended) {
        CHECK(event.cause == EndCause::rights);
        CHECK(event.reject == (event.user == "bob" ? authz::Reject::hours : authz::Reject::expired));
    }
}

TEST_CASE("a grant is prolonged for those who may hold it, and never shortened") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done);
    REQUIRE(f.open(kBob, "203.0.113.5", "ssh", 20) == Answer::done);
    const auto was = f.grants.book().all().at(kSsh);
    // Bob's days are over between a tick and the next one.
    f.config = f.changed([&](config::Config& c) { c.policy.credentials[kBob].valid_until = f.now.wall + 25s; });
    REQUIRE(f.grants.reconfigure(f.config, f.now));
    f.faults.fail_at(1);
    CHECK_FALSE(f.grants.prolong({{kSsh, 100s}}, f.now));
    f.faults.none();
    CHECK(f.grants.book().all().at(kSsh) == was);
    REQUIRE(f.grants.prolong({{kSsh, 100s}, {pinhole("203.0.113.9", "tcp/22"), 100s}}, f.now));
    const auto& longer = f.grants.book().all().at(kSsh);
    REQUIRE(longer.size() == 2);
    CHECK(longer[0].until == f.now.boot + 100s);
    CHECK(longer[1].until == f.now.boot + 25s); // not beyond their date
    CHECK(f.sets.elements("grants4")[0].expires == 100s);
    const std::size_t commits = f.sets.commits();
    REQUIRE(f.grants.prolong({{kSsh, 50s}}, f.now));
    CHECK(f.sets.commits() == commits);
    CHECK(f.grants.book().pinholes() == 1);
    f.check_same();
}

TEST_CASE("in a panic everybody's grants close but the operator's") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5") == Answer::done);
    REQUIRE(f.grants.open_by_operator(f.request(0, address("203.0.113.5")), f.bans, f.own, f.now).answer ==
            Answer::done);
    f.report();
    CHECK(f.grants.close_users(f.now).value() == 1);
    REQUIRE(f.is_open(kSsh));
    CHECK(f.grants.book().all().at(kSsh)[0].credential == authz::kOperator);
    f.check_same();
    f.report();
    const auto ended = f.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].user == "anna");
    CHECK(ended[0].cause == EndCause::panic);
}

TEST_CASE("the event of a grant that lost its right says which right") {
    using authz::Reject;
    const auto ended_by = [](const std::function<void(config::Config&, const Now&)>& change) {
        GrantFixture f;
        REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 3000) == Answer::done);
        f.report();
        f.reconfigure([&](config::Config& c) { change(c, f.now); });
        CHECK(f.grants.book().pinholes() == 0);
        f.report();
        const auto ended = f.events.take(EventKind::grant_ended);
        REQUIRE(ended.size() == 1);
        CHECK(ended[0].user == "anna");
        return std::pair(ended[0].cause, ended[0].reject);
    };
    using Why = std::pair<EndCause, std::optional<Reject>>;
    CHECK(ended_by([](config::Config& c, const Now& now) { c.policy.credentials[kAnna].valid_from = now.wall + 1h; }) ==
          Why{EndCause::rights, Reject::not_yet_valid});
    CHECK(ended_by([](config::Config& c, const Now& now) { c.policy.credentials[kAnna].valid_until = now.wall; }) ==
          Why{EndCause::rights, Reject::expired});
    CHECK(ended_by([](config::Config& c, const Now&) { c.policy.credentials[kAnna].services.reset(0); }) ==
          Why{EndCause::configuration, Reject::service});
    CHECK(ended_by([](config::Config& c, const Now&) { c.policy.credentials[kAnna].enabled = false; }) ==
          Why{EndCause::configuration, Reject::disabled});
}

TEST_CASE("a grant that already lasts as long is not written again") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 100) == Answer::done);
    const std::size_t commits = f.sets.commits();
    REQUIRE(f.grants.prolong({{kSsh, 100s}}, f.now));
    CHECK(f.sets.commits() == commits);
    REQUIRE(f.grants.prolong({{kSsh, 101s}}, f.now));
    CHECK(f.sets.commits() == commits + 1);
    f.check_same();
}
