// SPDX-License-Identifier: MIT
// After a restart, and when somebody else changes the sets.
#include "tests/unit/grants/fixtures.h"

using namespace xk;
using namespace xk::test;

namespace {

const Pinhole kSsh = pinhole("203.0.113.5", "tcp/22");

// Another daemon over the same sets.
struct Next {
    explicit Next(Ground& before) : grants(before.sets, before.config, [&before] { return before.now.boot; }) {}
    Grants grants;
};

nft::Element stranger(const Pinhole& at, std::chrono::milliseconds timeout = 60s) {
    nft::Element element;
    element.key = nft::grant_key(at.address, at.endpoint);
    element.timeout = timeout;
    element.comment = "put in by hand";
    return element;
}

} // namespace

TEST_CASE("after a restart the book is what it was, of every set") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5", "web", 100) == Answer::done);
    REQUIRE(ground.open(kBob, "203.0.113.5", "web", 50) == Answer::done);
    REQUIRE(ground.open(kAnna, "2001:db8::5", "ssh", 100) == Answer::done);
    REQUIRE(ground.open(kAnna, "203.0.113.6", "ssh", 100, true) == Answer::done);
    REQUIRE(ground.open(kCarl, "203.0.113.7", "media", 100) == Answer::done);
    ground.pass(10s);
    Next next(ground);
    REQUIRE(next.grants.adopt(ground.now));
    CHECK(next.grants.book().all() == ground.grants.book().all());
    CHECK(next.grants.book().pinholes() == 5);
}

TEST_CASE("a grant with exactly as many holders as an element has room for outlives a restart") {
    Ground ground(make_config(8));
    for (std::uint32_t who = 0; who < authz::kMaxHolders; ++who)
        REQUIRE(ground.open(who, "203.0.113.5", "ssh", 30 + who) == Answer::done);
    const auto holders = ground.grants.book().all().at(kSsh);
    REQUIRE(holders.size() == authz::kMaxHolders);
    Next next(ground);
    REQUIRE(next.grants.adopt(ground.now));
    CHECK(next.grants.book().all().at(kSsh) == holders);
    // The ninth takes the place of the one whose time ends first.
    REQUIRE(ground.open(9, "203.0.113.5", "ssh", 300) == Answer::done);
    CHECK(ground.grants.book().all().at(kSsh).size() == authz::kMaxHolders);
    CHECK(ground.grants.book().pinholes_of(ground.id(0)) == 0);
    ground.check_same();
}

TEST_CASE("what is taken over never lasts longer than the kernel would have let it") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5", "ssh", 100) == Answer::done);
    nft::Element element = ground.sets.elements("grants4")[0];
    element.timeout = 20s;
    ground.sets.put("grants4", element);
    Next next(ground);
    REQUIRE(next.grants.adopt(ground.now));
    CHECK(next.grants.book().all().at(kSsh)[0].until == ground.now.boot + 20s);
}

TEST_CASE("taking over fails as a whole where the kernel cannot be asked or told") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5") == Answer::done);
    const auto before = ground.sets.dump();
    for (std::size_t step = 1;; ++step) {
        Next next(ground);
        ground.faults.fail_at(step);
        const bool done = next.grants.adopt(ground.now).has_value();
        const bool struck = ground.faults.struck();
        ground.faults.none();
        CHECK(ground.sets.dump() == before);
        CHECK(done == !struck);
        if (!struck) {
            CHECK(step > 10); // each set was listed twice
            break;
        }
    }
}

TEST_CASE("elements that nobody was granted are taken out, and those of the book stay") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5") == Answer::done);
    ground.sets.put("grants4", stranger(pinhole("198.51.100.9", "tcp/22")));
    ground.sets.put("once4", stranger(kSsh)); // of the book, but in the other set: whoever loaded a saved ruleset
    ground.sets.put("grants4", stranger(pinhole("198.51.100.9", "tcp/3306")));
    REQUIRE(ground.sets.size() == 4);
    REQUIRE(ground.grants.expel_strangers());
    CHECK(ground.sets.elements("grants4").size() == 1);
    CHECK(ground.sets.elements("grants4")[0].comment == "anna/laptop");
    // With an error nothing is taken out half.
    ground.sets.put("grants4", stranger(pinhole("198.51.100.9", "tcp/22")));
    const auto lists = nft::pinhole_sets(ground.config->ranges(), false).size();
    ground.faults.fail_at(lists + 1);
    CHECK_FALSE(ground.grants.expel_strangers());
    ground.faults.none();
    CHECK(ground.sets.elements("grants4").size() == 2);
}

TEST_CASE("a grant that ends this moment is no stranger") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done);
    nft::Element element = ground.sets.elements("grants4")[0];
    ground.pass(31s);
    ground.grants.expire(ground.now.boot);
    REQUIRE_FALSE(ground.is_open(kSsh));
    element.timeout = 500ms; // the kernel is a moment behind
    ground.sets.put("grants4", element);
    const std::size_t commits = ground.sets.commits();
    REQUIRE(ground.grants.expel_strangers());
    CHECK(ground.sets.commits() == commits);
    CHECK(ground.sets.elements("grants4").size() == 1);
}

TEST_CASE("in mode external what else is in the sets is the administrator's") {
    config::Config config = make_config();
    config.gate_mode = config::GateMode::external;
    config.external = {nft::kTable, "mine4", "mine6"};
    Ground ground(config);
    ground.sets.put("mine4", stranger(pinhole("198.51.100.9", "tcp/22")));
    REQUIRE(ground.open(kAnna, "203.0.113.5") == Answer::done);
    REQUIRE(ground.open(kAnna, "2001:db8::5") == Answer::done);
    CHECK(ground.open(kAnna, "203.0.113.6", "ssh", 30, true) == Answer::refused); // no set for single use
    REQUIRE(ground.grants.expel_strangers());
    CHECK(ground.sets.elements("mine4").size() == 2);
    CHECK(ground.sets.elements("mine6").size() == 1);
    Next next(ground);
    REQUIRE(next.grants.adopt(ground.now));
    CHECK(next.grants.book().pinholes() == 2); // and not the administrator's own
    CHECK(ground.sets.elements("mine4").size() == 2);
}

TEST_CASE("sets that were lost are filled again, with the time that is left") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5", "web", 100) == Answer::done);
    REQUIRE(ground.open(kBob, "203.0.113.6", "ssh", 5) == Answer::done);
    for (const nft::Element& element : ground.sets.elements("grants4"))
        ground.sets.take("grants4", element.key);
    REQUIRE(ground.sets.size() == 0);
    ground.pass(10s);
    REQUIRE(ground.grants.restore(ground.now));
    const auto elements = ground.sets.elements("grants4");
    REQUIRE(elements.size() == 2);
    CHECK(elements[0].expires == 90s);
    ground.check_same();
}

TEST_CASE("a pinhole whose element somebody took away is closed in the book, and one that waits is not") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5") == Answer::done);
    REQUIRE(ground.open(kAnna, "203.0.113.6") == Answer::done);
    ground.report();
    ground.sets.take("grants4", nft::grant_key(kSsh.address, kSsh.endpoint));
    CHECK(ground.grants.forget_missing().value() == 1);
    CHECK_FALSE(ground.is_open(kSsh));
    ground.check_same();
    ground.report();
    const auto ended = ground.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].cause == EndCause::by_others);
}

TEST_CASE("a grant of single use is forgotten when the kernel has used it, and no other one") {
    Ground ground;
    const Pinhole other = pinhole("203.0.113.6", "tcp/22"), plain = pinhole("203.0.113.7", "tcp/22");
    REQUIRE(ground.open(kAnna, "203.0.113.5", "ssh", 30, true) == Answer::done);
    REQUIRE(ground.open(kAnna, "203.0.113.6", "ssh", 30, true) == Answer::done);
    REQUIRE(ground.open(kAnna, "203.0.113.7") == Answer::done);
    ground.report();
    ground.events.all.clear();
    ground.sets.take("once4", nft::grant_key(kSsh.address, kSsh.endpoint));
    ground.faults.fail_at(1);
    CHECK_FALSE(ground.grants.forget_used());
    ground.faults.none();
    CHECK(ground.is_open(kSsh));
    REQUIRE(ground.grants.forget_used());
    CHECK_FALSE(ground.is_open(kSsh));
    CHECK(ground.is_open(other));
    CHECK(ground.is_open(plain));
    ground.check_same();
    ground.report();
    const auto ended = ground.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].cause == EndCause::used);
}
