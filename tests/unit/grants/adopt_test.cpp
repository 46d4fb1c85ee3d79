// SPDX-License-Identifier: MIT
// After a restart, and when somebody else changes the sets.
#include "tests/unit/grants/fixtures.h"
#include "tests/unit/recording/log.h"

using namespace xk;
using namespace xk::test;

namespace {

const Pinhole kSsh = pinhole("203.0.113.5", "tcp/22");

// Another daemon over the same sets.
struct Next {
    explicit Next(GrantFixture& before) : grants(before.sets, before.config, [&before] { return before.now.boot; }) {}
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

TEST_CASE("after a restart the book has the grants of every set again") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "web", 100) == Answer::done);
    REQUIRE(f.open(kBob, "203.0.113.5", "web", 50) == Answer::done);
    REQUIRE(f.open(kAnna, "2001:db8::5", "ssh", 100) == Answer::done);
    REQUIRE(f.open(kAnna, "203.0.113.6", "ssh", 100, true) == Answer::done);
    REQUIRE(f.open(kCarl, "203.0.113.7", "media", 100) == Answer::done);
    f.pass(10s);
    Next next(f);
    REQUIRE(next.grants.adopt(f.now));
    CHECK(next.grants.book().all() == f.grants.book().all());
    CHECK(next.grants.book().pinholes() == 5);
}

TEST_CASE("a grant with as many holders as an element can have outlives a restart") {
    GrantFixture f(make_config(8));
    for (std::uint32_t who = 0; who < authz::kMaxHolders; ++who)
        REQUIRE(f.open(who, "203.0.113.5", "ssh", 30 + who) == Answer::done);
    const auto holders = f.grants.book().all().at(kSsh);
    REQUIRE(holders.size() == authz::kMaxHolders);
    Next next(f);
    REQUIRE(next.grants.adopt(f.now));
    CHECK(next.grants.book().all().at(kSsh) == holders);
    // The ninth takes the place of the one whose time ends first.
    REQUIRE(f.open(9, "203.0.113.5", "ssh", 300) == Answer::done);
    CHECK(f.grants.book().all().at(kSsh).size() == authz::kMaxHolders);
    CHECK(f.grants.book().pinholes_of(f.id(0)) == 0);
    f.check_same();
}

TEST_CASE("a grant that is taken over never lasts longer than the kernel would have let it") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 100) == Answer::done);
    nft::Element element = f.sets.elements("grants4")[0];
    element.timeout = 20s;
    f.sets.put("grants4", element);
    Next next(f);
    REQUIRE(next.grants.adopt(f.now));
    CHECK(next.grants.book().all().at(kSsh)[0].until == f.now.boot + 20s);
}

TEST_CASE("taking over fails as a whole where a step of it fails") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5") == Answer::done);
    const auto before = f.sets.dump();
    for (std::size_t step = 1;; ++step) {
        Next next(f);
        f.faults.fail_at(step);
        const bool done = next.grants.adopt(f.now).has_value();
        const bool struck = f.faults.struck();
        f.faults.none();
        CHECK(f.sets.dump() == before);
        CHECK(done == !struck);
        if (!struck) {
            CHECK(step > 10); // each set was listed twice
            break;
        }
    }
}

TEST_CASE("elements that belong to no grant are removed, and those of the book stay") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5") == Answer::done);
    f.sets.put("grants4", stranger(pinhole("198.51.100.9", "tcp/22")));
    f.sets.put("once4", stranger(kSsh)); // of the book, but in the other set: whoever loaded a saved ruleset
    f.sets.put("grants4", stranger(pinhole("198.51.100.9", "tcp/3306")));
    REQUIRE(f.sets.size() == 4);
    CapturedLog log;
    REQUIRE(f.grants.expel_strangers());
    CHECK(log.lines() == 2);
    CHECK(log.has(
        "warning 198.51.100.9 to tcp/22 (put in by hand) in set grants4: it belongs to no grant and is removed\n"));
    CHECK(f.sets.elements("grants4").size() == 1);
    CHECK(f.sets.elements("grants4")[0].comment == "anna/laptop");
    // With an error nothing is taken out half.
    f.sets.put("grants4", stranger(pinhole("198.51.100.9", "tcp/22")));
    const auto lists = nft::pinhole_sets(f.config->ranges(), false).size();
    f.faults.fail_at(lists + 1);
    CHECK_FALSE(f.grants.expel_strangers());
    f.faults.none();
    CHECK(f.sets.elements("grants4").size() == 2);
}

TEST_CASE("the element of a grant that is just ending is not removed as a foreign one") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done);
    nft::Element element = f.sets.elements("grants4")[0];
    f.pass(31s);
    f.grants.expire(f.now.boot);
    REQUIRE_FALSE(f.is_open(kSsh));
    element.timeout = 500ms; // the kernel is a moment behind
    f.sets.put("grants4", element);
    const std::size_t commits = f.sets.commits();
    REQUIRE(f.grants.expel_strangers());
    CHECK(f.sets.commits() == commits);
    CHECK(f.sets.elements("grants4").size() == 1);
}

TEST_CASE("in mode external the other elements of the sets belong to the administrator and stay") {
    config::Config config = make_config();
    config.gate_mode = config::GateMode::external;
    config.external = {nft::kTable, "mine4", "mine6"};
    GrantFixture f(config);
    f.sets.put("mine4", stranger(pinhole("198.51.100.9", "tcp/22")));
    REQUIRE(f.open(kAnna, "203.0.113.5") == Answer::done);
    REQUIRE(f.open(kAnna, "2001:db8::5") == Answer::done);
    CHECK(f.open(kAnna, "203.0.113.6", "ssh", 30, true) == Answer::refused); // no set for single use
    REQUIRE(f.grants.expel_strangers());
    CHECK(f.sets.elements("mine4").size() == 2);
    CHECK(f.sets.elements("mine6").size() == 1);
    Next next(f);
    REQUIRE(next.grants.adopt(f.now));
    CHECK(next.grants.book().pinholes() == 2); // and not the administrator's own
    CHECK(f.sets.elements("mine4").size() == 2);
}

TEST_CASE("sets that were lost are filled again, with the time that is left") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "web", 100) == Answer::done);
    REQUIRE(f.open(kBob, "203.0.113.6", "ssh", 5) == Answer::done);
    for (const nft::Element& element : f.sets.elements("grants4"))
        f.sets.take("grants4", element.key);
    REQUIRE(f.sets.size() == 0);
    f.pass(10s);
    REQUIRE(f.grants.restore(f.now));
    const auto elements = f.sets.elements("grants4");
    REQUIRE(elements.size() == 2);
    CHECK(elements[0].expires == 90s);
    f.check_same();
}

TEST_CASE("a grant that is over is forgotten only when the sets were written without it") {
    GrantFixture f;
    REQUIRE(f.open(kBob, "203.0.113.6", "ssh", 5) == Answer::done);
    nft::Element element = f.sets.elements("grants4")[0];
    element.timeout = 60s; // the kernel is behind, as after a sleep
    f.sets.put("grants4", element);
    f.pass(10s);
    const auto lists = nft::pinhole_sets(f.config->ranges(), false).size();
    f.faults.fail_at(lists + 1);
    CHECK_FALSE(f.grants.restore(f.now));
    f.faults.none();
    CHECK(f.is_open(pinhole("203.0.113.6", "tcp/22")));
    f.check_same();
    REQUIRE(f.grants.restore(f.now));
    CHECK_FALSE(f.is_open(pinhole("203.0.113.6", "tcp/22")));
    CHECK(f.sets.size() == 0);
    f.check_same();
}

TEST_CASE("a pinhole whose element somebody removed is closed in the book, and one that waits is not") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5") == Answer::done);
    REQUIRE(f.open(kAnna, "203.0.113.6") == Answer::done);
    f.report();
    f.sets.take("grants4", nft::grant_key(kSsh.address, kSsh.endpoint));
    CHECK(f.grants.forget_missing().value() == 1);
    CHECK_FALSE(f.is_open(kSsh));
    f.check_same();
    f.report();
    const auto ended = f.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].cause == EndCause::by_others);
}

TEST_CASE("a grant of single use is forgotten when the kernel has used it, and no other one") {
    GrantFixture f;
    const Pinhole other = pinhole("203.0.113.6", "tcp/22"), plain = pinhole("203.0.113.7", "tcp/22");
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 30, true) == Answer::done);
    REQUIRE(f.open(kAnna, "203.0.113.6", "ssh", 30, true) == Answer::done);
    REQUIRE(f.open(kAnna, "203.0.113.7") == Answer::done);
    f.report();
    f.events.all.clear();
    f.sets.take("once4", nft::grant_key(kSsh.address, kSsh.endpoint));
    f.faults.fail_at(1);
    CHECK_FALSE(f.grants.forget_used());
    f.faults.none();
    CHECK(f.is_open(kSsh));
    REQUIRE(f.grants.forget_used());
    CHECK_FALSE(f.is_open(kSsh));
    CHECK(f.is_open(other));
    CHECK(f.is_open(plain));
    f.check_same();
    f.report();
    const auto ended = f.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].cause == EndCause::used);
}

TEST_CASE("bytes that no daemon wrote are no holders") {
    const std::vector<authz::Holder> holders = {{{1, 2}, BootTime(5s), false}, {{3}, BootTime(6s), false}};
    auto data = encode_holders(holders);
    CHECK(decode_holders(data) == holders);
    data.push_back(0);
    CHECK(decode_holders(data).empty());
    CHECK(decode_holders({}).empty());
}
