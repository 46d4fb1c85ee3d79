// SPDX-License-Identifier: MIT
// Bans are the same in book, file, filter, nftables and with the listener, whatever fails.
#include "tests/unit/bans/fixtures.h"
#include "tests/unit/recording/log.h"

using namespace xk;
using namespace xk::test;

TEST_CASE("a ban that fails at any step is in no place") {
    BanFixture f;
    fail_at_each_step(f, [&] {
        return f.ban({prefix("203.0.113.5"), prefix("203.0.113.128/25"), prefix("2001:db8::5")}).has_value();
    });
    CHECK(f.bans.list().all().size() == 3);
    CHECK(f.listener.bans.size() == 3);
    CHECK(f.sets.commits() == 1);
    CHECK(f.maps.addresses == 2);
    CHECK(f.maps.networks == 1);
}

TEST_CASE("a ban around others, and its end, fails as a whole: each network carries the longest time around it") {
    BanFixture f;
    REQUIRE(f.ban("203.0.113.128/25", 30s));
    REQUIRE(f.ban("203.0.113.129", 30s));
    fail_at_each_step(f, [&] { return f.ban("203.0.113.0/24", 600s).has_value(); });
    CHECK(f.maps.bans.at(prefix("203.0.113.128/25")) == f.now.boot + 600s);
    fail_at_each_step(f, [&] { return f.unban("203.0.113.0/24").has_value(); });
    CHECK(f.maps.bans.at(prefix("203.0.113.128/25")) == f.now.boot + 30s);
    fail_at_each_step(f, [&] { return f.bans.unban_all(Bans::Family::any, {}, f.now).has_value(); });
    CHECK(f.bans.list().all().empty());
    CHECK(f.listener.bans.empty());
    CHECK(f.maps == BanMaps{});
}

TEST_CASE("each owner of a ban has a time of its own, and the longest counts") {
    BanFixture f;
    REQUIRE(f.ban("203.0.113.5", 60s, "sshd"));
    fail_at_each_step(f, [&] { return f.ban("203.0.113.5", 600s, "operator").has_value(); });
    CHECK(f.sets.elements("banned4").at(0).comment == "operator");
    REQUIRE(f.ban("203.0.113.5", 30s, "operator")); // never shortened
    CHECK(f.listener.bans.at(prefix("203.0.113.5")) == f.now.boot + 600s);
    CHECK(f.unban("203.0.113.5", "nobody").value() == 0);
    fail_at_each_step(f, [&] { return f.unban("203.0.113.5", "operator").has_value(); });
    CHECK(f.sets.elements("banned4").at(0).expires == 60s);
    CHECK(f.listener.bans.at(prefix("203.0.113.5")) == f.now.boot + 60s);
    f.pass(61s);
    f.bans.expire(f.now);
    f.check_same();
    CHECK(f.bans.list().all().empty());
}

TEST_CASE("bans end in the order of their times, each with one event") {
    BanFixture f;
    REQUIRE(f.ban("203.0.113.6", 20s));
    REQUIRE(f.ban("203.0.113.5", 10s));
    REQUIRE(f.ban("203.0.113.128/25", 15s));
    REQUIRE(f.ban("203.0.113.7", std::nullopt));
    const auto over = [&] {
        f.events.all.clear();
        f.bans.expire(f.now);
        f.check_same();
        std::vector<Prefix> all;
        for (const authz::Event& event : f.events.take(EventKind::unbanned)) {
            CHECK(event.cause == authz::EndCause::expired);
            all.push_back(event.prefix.value());
        }
        return all;
    };
    CHECK(over().empty());
    f.pass(10s);
    CHECK(over() == std::vector{prefix("203.0.113.5")});
    f.pass(5s);
    CHECK(over() == std::vector{prefix("203.0.113.128/25")});
    CHECK_FALSE(f.is_in_networks(prefix("203.0.113.128/25")));
    f.pass(3600s);
    CHECK(over() == std::vector{prefix("203.0.113.6")});
    CHECK(over().empty());
    CHECK(f.listener.bans.size() == 1); // the one that is for ever
}

TEST_CASE("a network whose ban is over leaves nftables later, where the first transaction fails") {
    BanFixture f;
    REQUIRE(f.ban("203.0.113.128/25", 15s));
    f.pass(16s);
    const CapturedLog log;
    for (int i = 0; i < 3; ++i) {
        f.faults.fail_at(1);
        f.bans.expire(f.now);
        f.faults.none();
    }
    CHECK(f.is_in_networks(prefix("203.0.113.128/25"))); // networks have no time of their own in the kernel
    f.bans.expire(f.now);
    CHECK_FALSE(f.is_in_networks(prefix("203.0.113.128/25")));
    CHECK(log.text() == "error networks whose ban is over: commit: made to fail by the test\n"); // once
    const std::size_t commits = f.sets.commits();
    f.bans.expire(f.now);
    CHECK(f.sets.commits() == commits);
    f.check_same();
}

TEST_CASE("a network whose ban is over has left nftables when the others are told") {
    BanFixture f;
    struct Looking final : authz::EventSink {
        const BanFixture& f;
        std::vector<bool> dropped;
        explicit Looking(const BanFixture& fixture) : f(fixture) {}
        void on_event(const authz::Event& event) override { dropped.push_back(f.is_in_networks(*event.prefix)); }
    } looking(f);
    Bans bans({.sets = f.sets, .grants = f.grants, .listener = f.listener, .sink = looking},
              std::make_unique<RecordingBanFilter>(f.faults, f.maps), f.config);
    REQUIRE(bans.adopt(f.file(), f.now));
    REQUIRE(bans.ban({{prefix("203.0.113.128/25")}, 15s, "sshd"}, f.own, f.now));
    f.pass(16s);
    bans.expire(f.now);
    CHECK(looking.dropped == std::vector{true, false}); // at its beginning, and at its end
}

TEST_CASE("a ban counts though its grants cannot be closed; the result names them, and a second try closes them") {
    BanFixture f;
    const auto open = [&](const char* from) {
        authz::GrantRequest request;
        request.address = address(from);
        request.service = service_id("ssh");
        return f.grants.open_grant(request, f.bans.list(), f.own, f.now).answer;
    };
    REQUIRE(open("203.0.113.5") == authz::Answer::done);
    REQUIRE(open("203.0.113.200") == authz::Answer::done);
    f.faults.fail_at(3); // filter, nftables, and then the grants
    const auto half = f.ban("203.0.113.0/25");
    f.faults.none();
    REQUIRE(half);
    CHECK(half->prefixes == std::vector{prefix("203.0.113.0/25")});
    REQUIRE(half->unfinished);
    CHECK(half->unfinished->message == "closing tcp/22 for 203.0.113.5: commit: made to fail by the test");
    CHECK(f.bans.list().all().contains(prefix("203.0.113.0/25")));
    CHECK(f.grants.book().pinholes() == 2);
    f.check_same();
    // The same request again closes them.
    const auto whole = f.ban("203.0.113.0/25");
    REQUIRE(whole);
    CHECK_FALSE(whole->unfinished);
    CHECK(f.grants.book().pinholes() == 1);
    CHECK(open("203.0.113.5") == authz::Answer::banned);
    f.check_same();
}

TEST_CASE("a ban counts in all other places where the listener is gone, and the result says so") {
    BanFixture f;
    authz::GrantRequest request;
    request.address = address("203.0.113.5");
    request.service = service_id("ssh");
    REQUIRE(f.grants.open_grant(request, f.bans.list(), f.own, f.now).answer == authz::Answer::done);
    f.listener.gone = true;
    const auto done = f.ban("203.0.113.5");
    REQUIRE(done);
    REQUIRE(done->unfinished);
    CHECK(done->unfinished->message == "telling judgement of 203.0.113.5: gone");
    CHECK(f.grants.book().pinholes() == 0);
    f.check_same();
    CHECK(f.bans.list().all().size() == 1);
    CHECK_FALSE(f.unban("203.0.113.5"));
    CHECK(f.bans.list().all().empty());
    f.check_same();
}

TEST_CASE("the event of a ban has its owner and its time, and a change that does not count has none") {
    BanFixture f;
    REQUIRE(f.ban("203.0.113.5", 60s, "sshd"));
    auto told = f.events.take(EventKind::banned);
    REQUIRE(told.size() == 1);
    CHECK(told[0].prefix == prefix("203.0.113.5"));
    CHECK(told[0].address == address("203.0.113.5"));
    CHECK(told[0].lifetime == 60s);
    CHECK(told[0].detail == "sshd");
    REQUIRE(f.ban("203.0.113.5", 30s, "other")); // shorter: what counts is as it was
    CHECK(f.events.take(EventKind::banned).empty());
    REQUIRE(f.ban("203.0.113.128/25", std::nullopt, "feed"));
    told = f.events.take(EventKind::banned);
    REQUIRE(told.size() == 1);
    CHECK(told[0].lifetime == 0s); // for ever
    CHECK_FALSE(told[0].address);
    REQUIRE(f.unban("203.0.113.5"));
    const auto unbanned = f.events.take(EventKind::unbanned);
    REQUIRE(unbanned.size() == 1);
    CHECK(unbanned[0].detail == "sshd");
    CHECK(unbanned[0].cause == authz::EndCause::by_operator);
}
