// SPDX-License-Identifier: MIT
#include "daemon/events/from_worker.h"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

using namespace xk;
using namespace xk::authz;
using events::events_of;
using namespace std::chrono_literals;

namespace {

constexpr Now kNow{WallTime(1'795'000'000s), BootTime(5000s)};

Policy make_policy() {
    Policy policy;
    Credential anna;
    anna.id = {1, 2, 3};
    anna.user = Name("anna");
    anna.device = Name("laptop");
    policy.credentials.push_back(anna);
    Service ssh;
    ssh.name = Name("ssh");
    ssh.id = service_id("ssh");
    policy.services.push_back(ssh);
    policy.make_index();
    return policy;
}
const Policy kPolicy = make_policy();

privsep::Outcome refused(Reject reject = Reject::stale) {
    privsep::Outcome m;
    m.kind = 2;
    m.known = 1;
    m.credential = {1, 2, 3};
    m.source = Address::v4(192, 0, 2, 1).bytes;
    m.was_read = 1;
    m.action = 1;
    m.address = Address::v4(192, 0, 2, 2).bytes;
    m.has_clock = 1;
    m.clock_ahead = -45;
    m.totp_step = -1;
    m.protocol = 6;
    m.port = 22;
    m.reject = static_cast<std::uint32_t>(reject);
    return m;
}

privsep::Outcome accepted() {
    privsep::Outcome m = refused(Reject{});
    m.kind = 1;
    return m;
}

} // namespace

TEST_CASE("a refusal says who, from where, for what, why, and what explains it") {
    const auto events = events_of(refused(), kPolicy, kNow).value();
    REQUIRE(events.size() == 1);
    const Event& e = events[0];
    CHECK(e.kind == EventKind::knock_refused);
    CHECK(e.at.wall == kNow.wall);
    CHECK(e.at.boot == kNow.boot);
    CHECK(e.who() == "anna/laptop");
    CHECK(e.source == Address::v4(192, 0, 2, 1));
    CHECK(e.address == Address::v4(192, 0, 2, 2));
    CHECK(e.reject == Reject::stale);
    CHECK(e.clock_ahead == -45s);
    CHECK_FALSE(e.totp_step);
    CHECK(e.action == Action::open);
    CHECK(e.pinholes == "tcp/22");
    CHECK(e.lifetime == 0s);
    CHECK_FALSE(e.for_good);
}

TEST_CASE("a knock that does not say when it was made has no difference of the clocks") {
    privsep::Outcome m = accepted();
    m.has_clock = 0;
    m.clock_ahead = 0;
    CHECK_FALSE(events_of(m, kPolicy, kNow).value().at(0).clock_ahead);
    m.has_clock = 1;
    CHECK(events_of(m, kPolicy, kNow).value().at(0).clock_ahead == 0s);
}

TEST_CASE("a used code has its step, and a service its name") {
    privsep::Outcome m = refused(Reject::code_used);
    m.totp_step = 59'833'333;
    m.protocol = 0;
    m.port = 0;
    m.service = service_id("ssh");
    const Event e = events_of(m, kPolicy, kNow).value()[0];
    CHECK(e.totp_step == 59'833'333u);
    CHECK(e.service == "ssh");
    CHECK(e.pinholes.empty());
    m.service = service_id("all");
    CHECK(events_of(m, kPolicy, kNow).value()[0].service == "all");
    m.service = 77; // whatever somebody asked for
    CHECK(events_of(m, kPolicy, kNow).value()[0].service.empty());
}

TEST_CASE("a lock for a while is an event of its own; one for good comes as a notice") {
    privsep::Outcome m = refused(Reject::wrong_code);
    CHECK(events_of(m, kPolicy, kNow).value().size() == 1);
    m.locked_for = 30;
    const auto events = events_of(m, kPolicy, kNow).value();
    REQUIRE(events.size() == 2);
    CHECK(events[0].lifetime == 30s);
    CHECK(events[1].kind == EventKind::locked);
    CHECK(events[1].lifetime == 30s);
    CHECK(events[1].who() == "anna/laptop");
    m.locked_for = -1;
    REQUIRE(events_of(m, kPolicy, kNow).value().size() == 1);
    CHECK(events_of(m, kPolicy, kNow).value()[0].for_good);
    m = refused(Reject::locked); // it was locked before
    m.locked_for = 30;
    CHECK(events_of(m, kPolicy, kNow).value().size() == 1);

    const Event notice = events::event_of(privsep::NoticeKind::locked_for_good, &kPolicy.credentials[0], kNow);
    CHECK(notice.kind == EventKind::locked);
    CHECK(notice.lifetime == 0s);
    CHECK(notice.who() == "anna/laptop");
    CHECK(events::event_of(privsep::NoticeKind::locked_for_good, nullptr, kNow).user.empty());
    CHECK(events::event_of(privsep::NoticeKind::clock_wrong, nullptr, kNow).kind == EventKind::clock_wrong);
    CHECK(events::event_of(privsep::NoticeKind::clock_right, nullptr, kNow).kind == EventKind::clock_right);
}

TEST_CASE("an accepted knock, its retry, and a probe") {
    Event e = events_of(accepted(), kPolicy, kNow).value().at(0);
    CHECK(e.kind == EventKind::knock_accepted);
    CHECK_FALSE(e.retry);
    CHECK_FALSE(e.reject);
    privsep::Outcome m = accepted();
    m.retry = 1;
    m.action = 4;
    e = events_of(m, kPolicy, kNow).value().at(0);
    CHECK(e.retry);
    CHECK(e.action == Action::probe);
}

TEST_CASE("of nobody, or of somebody whom a reload took away: no name, and no names from elsewhere") {
    privsep::Outcome m = refused(Reject::tag);
    m.known = m.was_read = m.action = m.protocol = m.has_clock = 0;
    m.credential = {};
    m.address = {};
    m.clock_ahead = 0;
    m.port = 0;
    Event e = events_of(m, kPolicy, kNow).value().at(0);
    CHECK(e.user.empty());
    CHECK_FALSE(e.address);
    CHECK_FALSE(e.action);
    CHECK_FALSE(e.clock_ahead);
    m = refused();
    m.credential = {9, 9};
    CHECK(events_of(m, kPolicy, kNow).value().at(0).user.empty());
}

TEST_CASE("an accepted knock of an old client is one event more, with the last use of its device") {
    for (const KnockMode way : {KnockMode::packet, KnockMode::sequence, KnockMode::capyknock, KnockMode::fwknop}) {
        const bool is_old = way == KnockMode::capyknock || way == KnockMode::fwknop;
        privsep::Outcome m = accepted();
        m.way = static_cast<std::uint32_t>(way) + 1;
        auto events = events_of(m, kPolicy, kNow).value();
        REQUIRE(events.size() == (is_old ? 2 : 1));
        CHECK(events[0].kind == EventKind::knock_accepted);
        CHECK(events[0].way == way);
        if (is_old) {
            CHECK(events[1].kind == EventKind::legacy_client);
            CHECK(events[1].who() == "anna/laptop");
            CHECK(events[1].way == way);
            CHECK(events[1].source == Address::v4(192, 0, 2, 1));
            CHECK_FALSE(events[1].last_use);
        }
        m.last_use = 1'700'000'000'000'000;
        events = events_of(m, kPolicy, kNow).value();
        CHECK(events.back().last_use == (is_old ? std::optional(WallTime(1'700'000'000s)) : std::nullopt));
        m.last_use = 0;
        m.retry = 1;
        CHECK(events_of(m, kPolicy, kNow)->size() == 1);
        m = refused();
        m.way = static_cast<std::uint32_t>(way) + 1;
        CHECK(events_of(m, kPolicy, kNow)->size() == 1);
    }
}

TEST_CASE("numbers that mean nothing are no event") {
    const auto lacks_sense = [](auto change, bool of_refused = true, bool of_accepted = true) {
        privsep::Outcome r = refused(), a = accepted();
        change(r);
        change(a);
        CHECK(events_of(r, kPolicy, kNow).has_value() == !of_refused);
        CHECK(events_of(a, kPolicy, kNow).has_value() == !of_accepted);
    };
    using M = privsep::Outcome;
    lacks_sense([](M&) {}, false, false);
    lacks_sense([](M& m) { m.kind = 0; });
    lacks_sense([](M& m) { m.kind = 3; });
    lacks_sense([](M& m) { m.known = 2; });
    lacks_sense([](M& m) { m.was_read = 2; });
    lacks_sense([](M& m) { m.retry = 2; });
    lacks_sense([](M& m) { m.retry = 1; }, true, false);
    lacks_sense([](M& m) { m.has_clock = 2; });
    lacks_sense([](M& m) { m.has_clock = 0; }); // and has a difference
    lacks_sense([](M& m) { m.known = 0; });     // and has an id
    lacks_sense([](M& m) { m.was_read = 0; });  // and has read things
    lacks_sense([](M& m) { m.action = 0; });
    lacks_sense([](M& m) { m.action = 5; });
    lacks_sense([](M& m) { m.protocol = 7; });
    lacks_sense([](M& m) { m.totp_step = -2; });
    lacks_sense([](M& m) { m.totp_step = INT64_MAX; });
    lacks_sense([](M& m) { m.clock_ahead = INT64_MIN; });
    lacks_sense([](M& m) { m.clock_ahead = INT64_MAX; });
    lacks_sense([](M& m) { m.reject = kRejects; });
    lacks_sense([](M& m) { m.way = kKnockModes + 1; });
    lacks_sense([](M& m) { m.pad = 1; });
    lacks_sense([](M& m) { m.last_use = -1; });
    lacks_sense([](M& m) { m.last_use = 1; }, true, false);
    lacks_sense([](M& m) { m.reject = UINT32_MAX; });
    lacks_sense([](M& m) { m.reject = 256; });    // its last byte is a good one
    lacks_sense([](M& m) { m.locked_for = 30; }); // of a reason that locks nobody
    lacks_sense([](M& m) { m.locked_for = -1; });
    for (const std::int64_t wrong : {std::int64_t{-2}, INT64_MAX, INT64_MIN}) {
        M m = refused(Reject::wrong_code);
        m.locked_for = wrong;
        CHECK_FALSE(events_of(m, kPolicy, kNow));
    }
    // Of nobody nothing is accepted, and nobody's code is wrong.
    M m = accepted();
    m.known = 0;
    m.credential = {};
    CHECK_FALSE(events_of(m, kPolicy, kNow));
    m = refused(Reject::wrong_code);
    m.known = 0;
    m.credential = {};
    m.locked_for = 30;
    CHECK_FALSE(events_of(m, kPolicy, kNow));
}

TEST_CASE("whatever the bytes are, an event has known names and sane numbers") {
    std::mt19937_64 random(2);
    std::size_t good = 0;
    for (int i = 0; i < 300'000; ++i) {
        privsep::Outcome m = i % 2 == 0 ? refused(static_cast<Reject>(random() % kRejects)) : accepted();
        auto* const bytes = reinterpret_cast<std::uint8_t*>(&m);
        for (std::uint64_t n = random() % 3; n > 0; --n)
            bytes[4 + random() % (sizeof m - 4)] = static_cast<std::uint8_t>(random() >> (random() % 8));
        const auto events = events_of(m, kPolicy, kNow);
        if (!events)
            continue;
        ++good;
        for (const Event& e : *events) {
            REQUIRE(name_of(e.kind) != "?");
            REQUIRE((e.user.empty() || e.who() == "anna/laptop"));
            REQUIRE((!e.reject || name_of(*e.reject) != "?"));
            REQUIRE((!e.action || name_of(*e.action) != "?"));
            REQUIRE((e.service.empty() || e.service == "ssh" || e.service == "all"));
            REQUIRE(e.pinholes.size() < 16);
            REQUIRE(e.detail.empty());
            REQUIRE(e.lifetime >= 0s);
            REQUIRE(e.lifetime <= 24h * 366 * 100);
        }
    }
    CHECK(good > 100'000);
    CHECK(good < 300'000);
}

TEST_CASE("what the worker did not tell one by one") {
    privsep::Suppressed m;
    CHECK_FALSE(events_of(m, kNow)); // an honest one has something to say
    m.refused = 5;
    auto events = events_of(m, kNow).value();
    REQUIRE(events.size() == 1);
    CHECK(events[0].kind == EventKind::refusals_suppressed);
    CHECK(events[0].count == 5);
    m.accepted = UINT64_MAX;
    events = events_of(m, kNow).value();
    REQUIRE(events.size() == 2);
    CHECK(events[1].kind == EventKind::knocks_suppressed);
    CHECK(events[1].count == UINT64_MAX);
    m.pad = 1;
    CHECK_FALSE(events_of(m, kNow));
}
