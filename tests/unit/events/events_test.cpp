// SPDX-License-Identifier: MIT
#include "daemon/events/events.h"

#include <doctest/doctest.h>

#include <functional>
#include <stdexcept>

using namespace xk;
using namespace xk::authz;
using namespace std::chrono_literals;

namespace {

Event event_of(EventKind kind, const std::string& user = "anna") {
    Event event;
    event.kind = kind;
    event.user = user;
    return event;
}

struct Sink : EventSink {
    std::vector<Event> got;
    std::function<void(const Event&)> does = [](const Event&) {};

    void on_event(const Event& event) override {
        got.push_back(event);
        does(event);
    }
};

// A clock that moves only when a test says so.
struct Fixture {
    BootTime now{1000s};
    events::Events events{[this] { return now; }};
    Sink first, second;

    Fixture() {
        events.add("first", first);
        events.add("second", second);
    }
};

} // namespace

TEST_CASE("each sink gets each event, in the order of their adding") {
    Fixture f;
    std::string order;
    f.first.does = [&](const Event&) { order += '1'; };
    f.second.does = [&](const Event&) { order += '2'; };
    f.events.on_event(event_of(EventKind::banned));
    f.events.on_event(event_of(EventKind::unbanned));
    CHECK(order == "1212");
    REQUIRE(f.second.got.size() == 2);
    CHECK(f.second.got[1].kind == EventKind::unbanned);
}

TEST_CASE("a sink that throws loses the event, and the others get it") {
    Fixture f;
    f.first.does = [](const Event&) { throw std::runtime_error("no"); };
    f.events.on_event(event_of(EventKind::banned));
    f.first.does = [](const Event&) { throw 5; };
    f.events.on_event(event_of(EventKind::banned));
    f.first.does = [](const Event&) {};
    f.events.on_event(event_of(EventKind::banned));
    CHECK(f.second.got.size() == 3);
    CHECK(f.first.got.size() == 3);
    CHECK(f.events.lost()[0].thrown == 2);
    CHECK(f.events.lost()[1].thrown == 0);
}

TEST_CASE("what a sink causes comes behind the event that caused it, at every sink") {
    Fixture f;
    f.first.does = [&](const Event& event) {
        if (event.kind == EventKind::banned)
            f.events.on_event(event_of(EventKind::grant_ended));
    };
    f.events.on_event(event_of(EventKind::banned));
    for (const Sink* const sink : {&f.first, &f.second}) {
        REQUIRE(sink->got.size() == 2);
        CHECK(sink->got[0].kind == EventKind::banned);
        CHECK(sink->got[1].kind == EventKind::grant_ended);
    }
    CHECK(f.events.dropped() == 0);
}

TEST_CASE("sinks that cause one event after the other come to an end") {
    Fixture f;
    f.first.does = [&](const Event&) { f.events.on_event(event_of(EventKind::grant_ended)); };
    f.events.on_event(event_of(EventKind::banned));
    CHECK(f.second.got.size() == events::Events::kMostWaiting + 1);
    CHECK(f.events.dropped() == 1);
    // One that causes two of each is stopped by the number of those that wait.
    f.first.does = [&](const Event&) {
        for (int i = 0; i < 1000; ++i)
            f.events.on_event(event_of(EventKind::grant_ended));
    };
    f.events.on_event(event_of(EventKind::banned));
    CHECK(f.second.got.size() == 2 * (events::Events::kMostWaiting + 1));
    f.first.does = [](const Event&) {};
    f.events.on_event(event_of(EventKind::clock_right)); // and nothing of them is left over
    CHECK(f.second.got.back().kind == EventKind::clock_right);
    CHECK(f.second.got.size() == 2 * (events::Events::kMostWaiting + 1) + 1);
}

TEST_CASE("a slow sink gets a quarter of the time, and holds up nobody for longer") {
    Fixture f;
    f.first.does = [&](const Event&) { f.now += 500ms; };
    const BootTime begin = f.now;
    for (int i = 0; i < 1000; ++i)
        f.events.on_event(event_of(EventKind::knock_refused));
    CHECK(f.now - begin < 3s);
    CHECK(f.first.got.size() + f.events.lost()[0].slow == 1000);
    CHECK(f.second.got.size() == 1000);
    CHECK(f.events.lost()[1].slow == 0);
    // In a minute it gets as many as take fifteen seconds, but never saves up more than two.
    const auto before = f.first.got.size();
    f.now += 60s;
    for (int i = 0; i < 1000; ++i)
        f.events.on_event(event_of(EventKind::knock_refused));
    CHECK(f.first.got.size() - before >= 4);
    CHECK(f.first.got.size() - before <= 6);
}

TEST_CASE("the log loses nothing, however slow it is") {
    BootTime now{1000s};
    struct Slow : EventSink {
        BootTime& now;
        std::size_t got = 0;
        explicit Slow(BootTime& n) : now(n) {}
        void on_event(const Event&) override {
            now += 500ms;
            ++got;
        }
    } log(now), other(now);
    events::Events events([&] { return now; });
    events.add("log", log, events::Events::Time::unlimited);
    events.add("other", other);
    for (int i = 0; i < 1000; ++i)
        events.on_event(event_of(EventKind::knock_refused));
    CHECK(log.got == 1000);
    CHECK(other.got < 1000);
}

TEST_CASE("texts are bounded and printable, whoever made them") {
    Fixture f;
    Event event = event_of(EventKind::repaired);
    event.detail = "by\n\x1b[2J" + std::string(1 << 20, 'x');
    event.pinholes = std::string(1 << 20, '\x01');
    event.more = std::string(kMaxEventText, 'y');
    f.events.on_event(event);
    const Event& got = f.second.got.at(0);
    CHECK(got.detail.substr(0, 15) == "by\\x0a\\x1b[2Jxx");
    CHECK(got.detail.size() == kMaxEventText);
    CHECK(got.detail.substr(kMaxEventText - 4) == "x...");
    CHECK(got.pinholes.size() == kMaxEventText);
    CHECK(got.more == event.more);
    CHECK(size_of(got) < 64 * 1024);
}

TEST_CASE("every kind and cause has a name of its own, and is found by it") {
    for (std::size_t i = 0; i < kEventKinds; ++i) {
        const auto kind = static_cast<EventKind>(i);
        CHECK(event_kind(name_of(kind)) == kind);
    }
    for (std::size_t i = 0; i < kEndCauses; ++i) {
        const auto cause = static_cast<EndCause>(i);
        CHECK(end_cause(name_of(cause)) == cause);
    }
    CHECK(name_of(EventKind::count_) == "?");
    CHECK(name_of(EndCause::count_) == "?");
    CHECK(name_of(static_cast<EventKind>(255)) == "?");
    CHECK_FALSE(event_kind("?"));
    CHECK_FALSE(end_cause(""));
    // Some of them by hand: both lists are in the order of the enum.
    CHECK(name_of(EventKind::knock_accepted) == "knock_accepted");
    CHECK(name_of(EventKind::unbanned) == "unbanned");
    CHECK(name_of(EventKind::taken_over) == "taken_over");
    CHECK(name_of(EventKind::knocks_suppressed) == "knocks_suppressed");
    CHECK(name_of(EndCause::by_others) == "by_others");
    CHECK(name_of(EndCause::displaced) == "displaced");
}
