// SPDX-License-Identifier: MIT
// Opening and closing, what fails half way, and what waits for others.
#include "tests/unit/grants/fixtures.h"
#include "tests/unit/recording/each_step.h"

using namespace xk;
using namespace xk::test;

namespace {

const Pinhole kSsh = pinhole("203.0.113.5", "tcp/22");

// A failed operation leaves book and kernel as they were, and always the same.
void fail_at_each_step(GrantFixture& f, const std::function<bool()>& operation) {
    fail_at_each_step(
        f.faults,
        [&] {
            f.check_same();
            return std::pair(f.grants.book().all(), f.sets.dump());
        },
        operation);
}

// So many grants that there are pauses, and a run of transactions that has used up its time.
void fill_until_pause(GrantFixture& f) {
    unsigned n = 0;
    for (std::uint32_t who = kCarl + 1; f.grants.book().pinholes() < Pace::kManyPinholes; ++who)
        for (unsigned i = 0; i < 60; ++i)
            REQUIRE(f.open(who, source(n++), "ssh", 3000) == Answer::done);
    for (int i = 0; i < 200; ++i) {
        f.pass(1ms);
        if (f.open(kAnna, source(n), "ssh", static_cast<std::uint32_t>(3000 + i)) == Answer::waiting)
            return;
    }
    FAIL("there is no pause");
}

} // namespace

TEST_CASE("a grant is one transaction, and its element says who holds it and for how long") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 45) == Answer::done);
    CHECK(f.sets.commits() == 1);
    const auto elements = f.sets.elements("grants4");
    REQUIRE(elements.size() == 1);
    CHECK(elements[0].key == nft::grant_key(kSsh.address, kSsh.endpoint));
    CHECK(elements[0].timeout == 45s);
    CHECK(elements[0].comment == "anna/laptop");
    const auto holders = decode_holders(elements[0].data);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].credential == f.id(kAnna));
    CHECK(holders[0].until == f.now.boot + 45s);
    f.check_same();
}

TEST_CASE("the filter admits a source before the kernel is asked to open for it") {
    GrantFixture f;
    f.faults.fail_at(1);
    CHECK(f.open(kAnna, "203.0.113.5") == Answer::failed);
    CHECK(f.guard.sources.contains(kSsh.address));
    CHECK_FALSE(f.is_open(kSsh));
}

TEST_CASE("a service of several ports is open as a whole or not at all") {
    GrantFixture f;
    fail_at_each_step(f, [&] { return f.open(kAnna, "203.0.113.5", "web") == Answer::done; });
    CHECK(f.sets.commits() == 1);
    CHECK(f.sets.elements("grants4").size() == 2);
}

TEST_CASE("a grant that the kernel does not prolong ends at its old time") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done);
    fail_at_each_step(f, [&] { return f.open(kAnna, "203.0.113.5", "ssh", 300) == Answer::done; });
    CHECK(f.grants.book().all().at(kSsh)[0].until == f.now.boot + 300s);
    CHECK(f.sets.elements("grants4")[0].expires == 300s);
}

TEST_CASE("a grant that the kernel does not close stands, and closes the next time") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5") == Answer::done);
    REQUIRE(f.open(kBob, "203.0.113.5") == Answer::done);
    REQUIRE(f.open(kBob, "203.0.113.6") == Answer::done);
    fail_at_each_step(
        f, [&] { return f.grants.close_grant(f.request(kAnna, kSsh.address), f.now).answer == Answer::done; });
    REQUIRE(f.is_open(kSsh)); // for bob
    fail_at_each_step(f, [&] { return f.grants.close_all(kBob, f.now).answer == Answer::done; });
    CHECK(f.grants.book().pinholes() == 0);
    CHECK(f.sets.size() == 0);
}

TEST_CASE("closing by the operator fails as a whole") {
    GrantFixture f;
    const auto fill = [&] {
        for (const char* from : {"203.0.113.5", "203.0.113.6", "2001:db8::5"})
            REQUIRE(f.open(kAnna, from, "web") == Answer::done);
        REQUIRE(f.open(kBob, "203.0.113.5", "web") == Answer::done);
    };
    fill();
    // The listing for strangers comes after the transaction: there the grants are closed.
    f.faults.fail_at(1);
    CHECK_FALSE(f.grants.close_prefix(prefix("203.0.113.0/24"), f.now));
    f.faults.none();
    CHECK(f.grants.book().pinholes() == 6);
    f.check_same();
    CHECK(f.grants.close_prefix(prefix("203.0.113.0/24"), f.now).value() == 4);
    f.check_same();
    fill();
    f.faults.fail_at(1);
    CHECK_FALSE(f.grants.close_credentials({f.id(kAnna)}, f.now));
    f.faults.none();
    f.check_same();
    CHECK(f.grants.close_credentials({f.id(kAnna)}, f.now).value() == 6);
    CHECK(f.grants.book().pinholes() == 2);
    f.check_same();
}

TEST_CASE("a grant of single use becomes a plain one in the other set, or stays whole") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 30, true) == Answer::done);
    CHECK(f.sets.elements("once4").size() == 1);
    fail_at_each_step(f, [&] { return f.open(kBob, "203.0.113.5") == Answer::done; });
    CHECK(f.sets.elements("once4").empty());
    CHECK(f.sets.elements("grants4").size() == 1);
    // Without bob it is of single use again.
    REQUIRE(f.grants.close_grant(f.request(kBob, kSsh.address), f.now).answer == Answer::done);
    CHECK(f.sets.elements("once4").size() == 1);
    CHECK(f.sets.elements("grants4").empty());
}

TEST_CASE("no more grants than the configuration allows, and than one credential may have") {
    GrantFixture f(make_config(2));
    for (unsigned i = 0; i < authz::kMaxPinholesOfCredential; ++i)
        REQUIRE(f.open(kAnna, source(i)) == Answer::done);
    CHECK(f.open(kAnna, source(99)) == Answer::limit);
    CHECK(f.open(kAnna, source(0)) == Answer::done); // it has that one
    CHECK(f.open(kBob, source(99)) == Answer::done);
    f.reconfigure([](config::Config& c) { c.max_grants = 66; });
    CHECK(f.open(kBob, source(100)) == Answer::done);
    CHECK(f.open(kBob, source(101)) == Answer::limit);
    f.check_same();
}

TEST_CASE("nothing opens for a banned address, for one of this host's, or by a credential that is not there") {
    GrantFixture f;
    f.bans.add(prefix("203.0.113.0/24"), {});
    CHECK(f.open(kAnna, "203.0.113.5") == Answer::banned);
    CHECK(f.open(kAnna, "192.0.2.1") == Answer::own_address);
    CHECK(f.open(77, "198.51.100.5") == Answer::refused);
    CHECK(f.grants.close_all(77, f.now).answer == Answer::refused);
    CHECK(f.sets.commits() == 0);
}

TEST_CASE("a ban closes the grants that it meets, and no others") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "web") == Answer::done);
    REQUIRE(f.open(kAnna, "198.51.100.5") == Answer::done);
    f.report();
    f.bans.add(prefix("203.0.113.0/24"), {});
    fail_at_each_step(f, [&] { return f.grants.close_banned(f.bans, f.now).has_value(); });
    CHECK(f.grants.book().pinholes() == 1);
    f.report();
    const auto ended = f.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].cause == EndCause::banned);
}

TEST_CASE("with many grants a pause follows a run of transactions, and all pinholes that wait open together") {
    GrantFixture f(make_config(20));
    fill_until_pause(f);
    const std::size_t commits = f.sets.commits();
    for (unsigned i = 0; i < 50; ++i)
        CHECK(f.open(kBob, source(20000 + i)) == Answer::waiting);
    CHECK(f.grants.any_waiting());
    CHECK(f.sets.commits() == commits);
    CHECK(f.settled.empty());
    CHECK(f.grants.due() > f.now.boot);
    f.pass(f.grants.due() - f.now.boot);
    f.grants.settle(f.now);
    CHECK(f.sets.commits() == commits + 1);
    CHECK(f.settled == std::vector{true});
    CHECK_FALSE(f.grants.any_waiting());
    f.check_same();
    CHECK(f.open(kBob, source(30000)) == Answer::done); // the run begins anew
    CHECK(f.open(kBob, source(30001)) == Answer::done);
}

TEST_CASE("when the transaction for waiting pinholes fails, they are shut and their requests fail") {
    GrantFixture f(make_config(20));
    fill_until_pause(f);
    const Pinhole before = pinhole(source(0).text(), "tcp/22"); // is open, and waits to be open for longer
    const auto was = f.grants.book().all().at(before);
    REQUIRE(f.open(kBob, source(20000)) == Answer::waiting);
    REQUIRE(f.open(kBob, source(0), "ssh", 3500) == Answer::waiting);
    REQUIRE(f.open(kCarl, source(20001), "ssh", 30, true) == Answer::waiting);
    f.report();
    CHECK(f.events.take(EventKind::grant_begun).size() > 1000);
    f.faults.fail_at(1);
    f.grants.settle(f.now);
    f.faults.none();
    CHECK(f.settled == std::vector{false});
    CHECK_FALSE(f.grants.any_waiting());
    CHECK_FALSE(f.is_open(pinhole(source(20000).text(), "tcp/22")));
    CHECK_FALSE(f.is_open(pinhole(source(20001).text(), "tcp/22")));
    CHECK(f.grants.book().all().at(before) == was);
    f.check_same();
    f.report();
    const auto ended = f.events.take(EventKind::grant_ended);
    REQUIRE(ended.size() == 3);
    for (const authz::Event& event : ended)
        CHECK(event.cause == EndCause::failed);
}

TEST_CASE("every transaction carries the waiting pinholes, even one that closes some of them") {
    GrantFixture f(make_config(20));
    fill_until_pause(f);
    REQUIRE(f.open(kBob, source(20000)) == Answer::waiting);
    REQUIRE(f.open(kBob, source(20001)) == Answer::waiting);
    const std::size_t commits = f.sets.commits();
    // Closing does not wait.
    CHECK(f.grants.close_grant(f.request(kBob, source(20000)), f.now).answer == Answer::done);
    CHECK(f.sets.commits() == commits + 1);
    CHECK(f.settled == std::vector{true});
    CHECK_FALSE(f.is_open(pinhole(source(20000).text(), "tcp/22")));
    CHECK(f.is_open(pinhole(source(20001).text(), "tcp/22")));
    f.check_same();
}

TEST_CASE("the operator's grant does not wait, and its answer has the error") {
    GrantFixture f(make_config(20));
    fill_until_pause(f);
    const auto open = [&](unsigned n) {
        return f.grants.open_by_operator(f.request(0, source(n)), f.bans, f.own, f.now);
    };
    CHECK(open(20000).answer == Answer::done);
    CHECK_FALSE(f.grants.any_waiting());
    f.check_same();
    fill_until_pause(f);
    f.faults.fail_at(1);
    const auto failed = open(20001);
    f.faults.none();
    CHECK(failed.answer == Answer::failed);
    CHECK(failed.error);
    CHECK_FALSE(f.is_open(pinhole(source(20001).text(), "tcp/22")));
    f.check_same();
}

TEST_CASE("when writing all grants anew fails, waiting pinholes go on waiting") {
    GrantFixture f(make_config(20));
    fill_until_pause(f);
    REQUIRE(f.open(kBob, source(20000)) == Answer::waiting);
    f.faults.fail_at(1, true);
    CHECK_FALSE(f.grants.restore(f.now));
    f.faults.none();
    const auto lists = nft::pinhole_sets(f.config->ranges(), false).size();
    f.faults.fail_at(lists + 1); // the transaction, after the listings
    CHECK_FALSE(f.grants.restore(f.now));
    f.faults.none();
    CHECK(f.grants.any_waiting());
    CHECK(f.settled.empty());
    CHECK(f.grants.restore(f.now));
    CHECK(f.settled == std::vector{true});
    f.check_same();
}

TEST_CASE("a grant is over when the kernel is sure to have closed it") {
    GrantFixture f;
    f.sets.takes = 3s;
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done); // the clock is 3 seconds on
    f.sets.takes = 0s;
    f.pass(28s);
    REQUIRE(f.sets.elements("grants4").size() == 1); // the kernel began later
    f.grants.expire(f.now.boot);
    CHECK(f.is_open(kSsh));
    f.pass(3s);
    CHECK(f.sets.elements("grants4").empty());
    f.grants.expire(f.now.boot);
    CHECK_FALSE(f.is_open(kSsh));
}

TEST_CASE("a listener of openings may add to the transaction, and hears when it is done") {
    GrantFixture f;
    std::vector<Pinhole> opened;
    f.grants.on_open(
        [](nft::Transaction& transaction, const Pinhole& at) {
            nft::Element seen;
            seen.key = nft::address_key(at.address);
            nft::put_element(transaction, {nft::kTable, "seen"}, seen);
        },
        [&](const Pinhole& at) { opened.push_back(at); });
    f.faults.fail_at(1);
    CHECK(f.open(kAnna, "203.0.113.5") == Answer::failed);
    f.faults.none();
    CHECK(opened.empty());
    CHECK(f.sets.elements("seen").empty());
    CHECK(f.open(kAnna, "203.0.113.6") == Answer::done);
    CHECK(opened == std::vector{pinhole("203.0.113.6", "tcp/22")});
    CHECK(f.sets.elements("seen").size() == 1);
    CHECK(f.sets.commits() == 1);
}

TEST_CASE("the book keeps grants longer after a slow transaction, and no longer once all of them are over") {
    GrantFixture f;
    f.sets.takes = 3s;
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done);
    f.sets.takes = 0s;
    f.pass(40s);
    f.grants.expire(f.now.boot);
    REQUIRE(f.grants.book().pinholes() == 0);
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done);
    f.pass(31s);
    f.grants.expire(f.now.boot);
    CHECK(f.grants.book().pinholes() == 0);
}

TEST_CASE("what the operator closes has the cause that is given, and one service has one name in the answer") {
    GrantFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "web") == Answer::done);
    f.report();
    CHECK(f.grants.close_prefix(prefix("203.0.113.5/32"), f.now, EndCause::panic).value() == 2);
    f.report();
    CHECK(f.events.take(EventKind::grant_ended).at(0).cause == EndCause::panic);
    const auto opened = f.grants.open_grant(f.request(kAnna, kSsh.address, "all"), f.bans, f.own, f.now);
    CHECK(opened.answer == Answer::done);
    CHECK(opened.service == "ssh, web, vpn, db, media");
    CHECK(opened.pinholes.size() == 6);
    CHECK(opened.lifetime == 30s);
    const auto closed = f.grants.close_grant(f.request(kAnna, kSsh.address, "web"), f.now);
    CHECK(closed.service == "web");
    CHECK(closed.pinholes.size() == 2);
}

TEST_CASE("an error names a few pinholes of a banned address that stay open, and how many more there are") {
    GrantFixture f;
    for (unsigned i = 0; i < 6; ++i)
        REQUIRE(f.open(kAnna, source(i)) == Answer::done);
    f.bans.add(prefix("198.18.0.0/15"), {});
    f.faults.fail_at(1);
    const auto closed = f.grants.close_banned(f.bans, f.now);
    f.faults.none();
    REQUIRE_FALSE(closed);
    CHECK(closed.error().message ==
          "closing tcp/22 for 198.18.0.0, tcp/22 for 198.18.0.1, tcp/22 for 198.18.0.2, tcp/22 "
          "for 198.18.0.3 and 2 more: commit: made to fail by the test");
}
