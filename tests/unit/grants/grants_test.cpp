// SPDX-License-Identifier: MIT
// Opening and closing, what fails half way, and what waits for others.
#include "tests/unit/grants/fixtures.h"

using namespace xk;
using namespace xk::test;

namespace {

const Pinhole kSsh = pinhole("203.0.113.5", "tcp/22");

// Goes through an operation as often as it has steps, each time with another one failing, and sees that it leaves book
// and kernel as they were and the same. At last it succeeds.
void fail_at_each_step(Ground& ground, const std::function<bool()>& operation) {
    for (std::size_t step = 1;; ++step) {
        const auto before = ground.grants.book().all();
        const auto elements = ground.sets.dump();
        ground.faults.fail_at(step);
        const bool done = operation();
        const bool struck = ground.faults.struck();
        ground.faults.none();
        ground.check_same();
        if (!struck) {
            CHECK(done);
            CHECK(step > 1); // it had a step that could fail
            return;
        }
        CHECK_FALSE(done);
        CHECK(ground.grants.book().all() == before);
        CHECK(ground.sets.dump() == elements);
    }
}

// So many grants that there are pauses, and a run of transactions that has used up its time.
void fill_until_pause(Ground& ground) {
    unsigned n = 0;
    for (std::uint32_t who = kCarl + 1; ground.grants.book().pinholes() < Pace::kManyPinholes; ++who)
        for (unsigned i = 0; i < 60; ++i)
            REQUIRE(ground.open(who, source(n++), "ssh", 3000) == Answer::done);
    for (int i = 0; i < 200; ++i) {
        ground.pass(1ms);
        if (ground.open(kAnna, source(n), "ssh", static_cast<std::uint32_t>(3000 + i)) == Answer::waiting)
            return;
    }
    FAIL("there is no pause");
}

} // namespace

TEST_CASE("a grant is one transaction, and its element says who holds it and for how long") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5", "ssh", 45) == Answer::done);
    CHECK(ground.sets.commits() == 1);
    const auto elements = ground.sets.elements("grants4");
    REQUIRE(elements.size() == 1);
    CHECK(elements[0].key == nft::grant_key(kSsh.address, kSsh.endpoint));
    CHECK(elements[0].timeout == 45s);
    CHECK(elements[0].comment == "anna/laptop");
    const auto holders = decode_holders(elements[0].data);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].credential == ground.id(kAnna));
    CHECK(holders[0].until == ground.now.boot + 45s);
    ground.check_same();
}

TEST_CASE("the filter admits a source before the kernel is asked to open for it") {
    Ground ground;
    ground.faults.fail_at(1);
    CHECK(ground.open(kAnna, "203.0.113.5") == Answer::failed);
    CHECK(ground.guard.sources.contains(kSsh.address));
    CHECK_FALSE(ground.is_open(kSsh));
}

TEST_CASE("a service of several ports is open as a whole or not at all") {
    Ground ground;
    fail_at_each_step(ground, [&] { return ground.open(kAnna, "203.0.113.5", "web") == Answer::done; });
    CHECK(ground.sets.commits() == 1);
    CHECK(ground.sets.elements("grants4").size() == 2);
}

TEST_CASE("a grant that the kernel does not extend ends when it would have") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done);
    fail_at_each_step(ground, [&] { return ground.open(kAnna, "203.0.113.5", "ssh", 300) == Answer::done; });
    CHECK(ground.grants.book().all().at(kSsh)[0].until == ground.now.boot + 300s);
    CHECK(ground.sets.elements("grants4")[0].expires == 300s);
}

TEST_CASE("a grant that the kernel does not close stands, and closes the next time") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5") == Answer::done);
    REQUIRE(ground.open(kBob, "203.0.113.5") == Answer::done);
    REQUIRE(ground.open(kBob, "203.0.113.6") == Answer::done);
    fail_at_each_step(ground, [&] {
        return ground.grants.close(ground.request(kAnna, kSsh.address), ground.now).answer == Answer::done;
    });
    REQUIRE(ground.is_open(kSsh)); // for bob
    fail_at_each_step(ground, [&] { return ground.grants.close_all(kBob, ground.now).answer == Answer::done; });
    CHECK(ground.grants.book().pinholes() == 0);
    CHECK(ground.sets.size() == 0);
}

TEST_CASE("what the operator closes fails as a whole, whoever holds it") {
    Ground ground;
    const auto fill = [&] {
        for (const char* from : {"203.0.113.5", "203.0.113.6", "2001:db8::5"})
            REQUIRE(ground.open(kAnna, from, "web") == Answer::done);
        REQUIRE(ground.open(kBob, "203.0.113.5", "web") == Answer::done);
    };
    fill();
    // The listing for strangers comes after the transaction: there the grants are closed.
    ground.faults.fail_at(1);
    CHECK_FALSE(ground.grants.close_prefix(prefix("203.0.113.0/24"), ground.now));
    ground.faults.none();
    CHECK(ground.grants.book().pinholes() == 6);
    ground.check_same();
    CHECK(ground.grants.close_prefix(prefix("203.0.113.0/24"), ground.now).value() == 4);
    ground.check_same();
    fill();
    ground.faults.fail_at(1);
    CHECK_FALSE(ground.grants.close_credentials({ground.id(kAnna)}, ground.now));
    ground.faults.none();
    ground.check_same();
    CHECK(ground.grants.close_credentials({ground.id(kAnna)}, ground.now).value() == 6);
    CHECK(ground.grants.book().pinholes() == 2);
    ground.check_same();
}

TEST_CASE("a grant of single use becomes a plain one in the other set, or stays whole") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5", "ssh", 30, true) == Answer::done);
    CHECK(ground.sets.elements("once4").size() == 1);
    fail_at_each_step(ground, [&] { return ground.open(kBob, "203.0.113.5") == Answer::done; });
    CHECK(ground.sets.elements("once4").empty());
    CHECK(ground.sets.elements("grants4").size() == 1);
    // Without bob it is of single use again.
    REQUIRE(ground.grants.close(ground.request(kBob, kSsh.address), ground.now).answer == Answer::done);
    CHECK(ground.sets.elements("once4").size() == 1);
    CHECK(ground.sets.elements("grants4").empty());
}

TEST_CASE("no more grants than the configuration allows, and than one credential may have") {
    Ground ground(make_config(2));
    for (unsigned i = 0; i < authz::kMaxPinholesOfCredential; ++i)
        REQUIRE(ground.open(kAnna, source(i)) == Answer::done);
    CHECK(ground.open(kAnna, source(99)) == Answer::limit);
    CHECK(ground.open(kAnna, source(0)) == Answer::done); // it has that one
    CHECK(ground.open(kBob, source(99)) == Answer::done);
    ground.reconfigure([](config::Config& c) { c.max_grants = 66; });
    CHECK(ground.open(kBob, source(100)) == Answer::done);
    CHECK(ground.open(kBob, source(101)) == Answer::limit);
    ground.check_same();
}

TEST_CASE("nothing opens for a banned address, for one of this host's, or by a credential that is not there") {
    Ground ground;
    ground.bans.add(prefix("203.0.113.0/24"), {});
    CHECK(ground.open(kAnna, "203.0.113.5") == Answer::banned);
    CHECK(ground.open(kAnna, "192.0.2.1") == Answer::own_address);
    CHECK(ground.open(77, "198.51.100.5") == Answer::refused);
    CHECK(ground.grants.close_all(77, ground.now).answer == Answer::refused);
    CHECK(ground.sets.commits() == 0);
}

TEST_CASE("a ban closes the grants that it meets, and no others") {
    Ground ground;
    REQUIRE(ground.open(kAnna, "203.0.113.5", "web") == Answer::done);
    REQUIRE(ground.open(kAnna, "198.51.100.5") == Answer::done);
    ground.report();
    ground.bans.add(prefix("203.0.113.0/24"), {});
    fail_at_each_step(ground, [&] { return ground.grants.close_banned(ground.bans, ground.now).has_value(); });
    CHECK(ground.grants.book().pinholes() == 1);
    ground.report();
    const auto ended = ground.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].cause == EndCause::banned);
}

TEST_CASE("with many grants a run of transactions is followed by a pause, and what waits is opened together") {
    Ground ground(make_config(20));
    fill_until_pause(ground);
    const std::size_t commits = ground.sets.commits();
    for (unsigned i = 0; i < 50; ++i)
        CHECK(ground.open(kBob, source(20000 + i)) == Answer::waiting);
    CHECK(ground.grants.any_waiting());
    CHECK(ground.sets.commits() == commits);
    CHECK(ground.settled.empty());
    CHECK(ground.grants.due() > ground.now.boot);
    ground.pass(ground.grants.due() - ground.now.boot);
    ground.grants.settle(ground.now);
    CHECK(ground.sets.commits() == commits + 1);
    CHECK(ground.settled == std::vector{true});
    CHECK_FALSE(ground.grants.any_waiting());
    ground.check_same();
    CHECK(ground.open(kBob, source(30000)) == Answer::done); // the run begins anew
    CHECK(ground.open(kBob, source(30001)) == Answer::done);
}

TEST_CASE("when the transaction for those that wait fails, they are shut and told so") {
    Ground ground(make_config(20));
    fill_until_pause(ground);
    const Pinhole before = pinhole(source(0).text(), "tcp/22"); // is open, and waits to be open for longer
    const auto was = ground.grants.book().all().at(before);
    REQUIRE(ground.open(kBob, source(20000)) == Answer::waiting);
    REQUIRE(ground.open(kBob, source(0), "ssh", 3500) == Answer::waiting);
    REQUIRE(ground.open(kCarl, source(20001), "ssh", 30, true) == Answer::waiting);
    ground.report();
    CHECK(ground.events.take(EventKind::grant_begun).size() > 1000);
    ground.faults.fail_at(1);
    ground.grants.settle(ground.now);
    ground.faults.none();
    CHECK(ground.settled == std::vector{false});
    CHECK_FALSE(ground.grants.any_waiting());
    CHECK_FALSE(ground.is_open(pinhole(source(20000).text(), "tcp/22")));
    CHECK_FALSE(ground.is_open(pinhole(source(20001).text(), "tcp/22")));
    CHECK(ground.grants.book().all().at(before) == was);
    ground.check_same();
    ground.report();
    const auto ended = ground.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 3);
    for (const authz::Event& event : ended)
        CHECK(event.cause == EndCause::failed);
}

TEST_CASE("what waits goes with any other transaction, and is closed where that closes it") {
    Ground ground(make_config(20));
    fill_until_pause(ground);
    REQUIRE(ground.open(kBob, source(20000)) == Answer::waiting);
    REQUIRE(ground.open(kBob, source(20001)) == Answer::waiting);
    const std::size_t commits = ground.sets.commits();
    // Closing does not wait.
    CHECK(ground.grants.close(ground.request(kBob, source(20000)), ground.now).answer == Answer::done);
    CHECK(ground.sets.commits() == commits + 1);
    CHECK(ground.settled == std::vector{true});
    CHECK_FALSE(ground.is_open(pinhole(source(20000).text(), "tcp/22")));
    CHECK(ground.is_open(pinhole(source(20001).text(), "tcp/22")));
    ground.check_same();
}

TEST_CASE("the operator's grant does not wait, and what fails is said to them") {
    Ground ground(make_config(20));
    fill_until_pause(ground);
    const auto open = [&](unsigned n) {
        return ground.grants.open_by_operator(ground.request(0, source(n)), ground.bans, ground.own, ground.now);
    };
    CHECK(open(20000).answer == Answer::done);
    CHECK_FALSE(ground.grants.any_waiting());
    ground.check_same();
    fill_until_pause(ground);
    ground.faults.fail_at(1);
    const auto failed = open(20001);
    ground.faults.none();
    CHECK(failed.answer == Answer::failed);
    CHECK(failed.error);
    CHECK_FALSE(ground.is_open(pinhole(source(20001).text(), "tcp/22")));
    ground.check_same();
}

TEST_CASE("while all grants are written anew and that fails, what waits goes on to wait") {
    Ground ground(make_config(20));
    fill_until_pause(ground);
    REQUIRE(ground.open(kBob, source(20000)) == Answer::waiting);
    ground.faults.fail_at(1, true);
    CHECK_FALSE(ground.grants.restore(ground.now));
    ground.faults.none();
    const auto lists = nft::pinhole_sets(ground.config->ranges(), false).size();
    ground.faults.fail_at(lists + 1); // the transaction, after the listings
    CHECK_FALSE(ground.grants.restore(ground.now));
    ground.faults.none();
    CHECK(ground.grants.any_waiting());
    CHECK(ground.settled.empty());
    CHECK(ground.grants.restore(ground.now));
    CHECK(ground.settled == std::vector{true});
    ground.check_same();
}

TEST_CASE("a grant is over when the kernel is sure to have closed it") {
    Ground ground;
    ground.sets.takes = 3s;
    REQUIRE(ground.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done); // the clock is 3 seconds on
    ground.sets.takes = 0s;
    ground.pass(28s);
    REQUIRE(ground.sets.elements("grants4").size() == 1); // the kernel began later
    ground.grants.expire(ground.now.boot);
    CHECK(ground.is_open(kSsh));
    ground.pass(3s);
    CHECK(ground.sets.elements("grants4").empty());
    ground.grants.expire(ground.now.boot);
    CHECK_FALSE(ground.is_open(kSsh));
}

TEST_CASE("whoever hears of openings adds to the transaction, and hears when it is done") {
    Ground ground;
    std::vector<Pinhole> opened;
    ground.grants.on_open(
        [](nft::Transaction& transaction, const Pinhole& at) {
            nft::Element seen;
            seen.key = nft::address_key(at.address);
            nft::put_element(transaction, {nft::kTable, "seen"}, seen);
        },
        [&](const Pinhole& at) { opened.push_back(at); });
    ground.faults.fail_at(1);
    CHECK(ground.open(kAnna, "203.0.113.5") == Answer::failed);
    ground.faults.none();
    CHECK(opened.empty());
    CHECK(ground.sets.elements("seen").empty());
    CHECK(ground.open(kAnna, "203.0.113.6") == Answer::done);
    CHECK(opened == std::vector{pinhole("203.0.113.6", "tcp/22")});
    CHECK(ground.sets.elements("seen").size() == 1);
    CHECK(ground.sets.commits() == 1);
}
