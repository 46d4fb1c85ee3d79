// SPDX-License-Identifier: MIT
#include "daemon/events/counters.h"
#include "daemon/events/recent.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

using namespace xk;
using namespace xk::authz;
using events::RecentEvents;

namespace {

Event event_with(std::uint64_t count, std::string detail = {}) {
    Event event;
    event.kind = EventKind::refusals_suppressed;
    event.count = count;
    event.detail = std::move(detail);
    return event;
}

std::vector<std::uint64_t> counts_of(const std::function<std::optional<nlohmann::json>()>& rows) {
    std::vector<std::uint64_t> counts;
    while (const auto row = rows())
        counts.push_back(row->at("count"));
    return counts;
}

} // namespace

TEST_CASE("the newest events are there, oldest first, with numbers that only grow") {
    RecentEvents recent;
    CHECK(recent.after(0) == nullptr);
    CHECK_FALSE(events::rows_of_recent(recent, 10)());
    for (std::uint64_t i = 1; i <= 5; ++i)
        recent.on_event(event_with(i));
    CHECK(counts_of(events::rows_of_recent(recent, 3)) == std::vector<std::uint64_t>{3, 4, 5});
    CHECK(counts_of(events::rows_of_recent(recent, 100)) == std::vector<std::uint64_t>{1, 2, 3, 4, 5});
    CHECK(counts_of(events::rows_of_recent(recent, 0)).empty());
    const auto row = *events::rows_of_recent(recent, 1)();
    CHECK(row.at("number") == 5);
    CHECK(row.at("kind") == "refusals_suppressed");
}

TEST_CASE("no more than a number of events, and no more than so many bytes") {
    RecentEvents recent;
    for (std::uint64_t i = 1; i <= 3 * RecentEvents::kMostEvents; ++i)
        recent.on_event(event_with(i));
    CHECK(recent.size() == RecentEvents::kMostEvents);
    CHECK(counts_of(events::rows_of_recent(recent, 1)) == std::vector<std::uint64_t>{3 * RecentEvents::kMostEvents});
    CHECK(counts_of(events::rows_of_recent(recent, SIZE_MAX)).front() == 2 * RecentEvents::kMostEvents + 1);
    for (std::uint64_t i = 1; i <= 1000; ++i)
        recent.on_event(event_with(i, std::string(kMaxEventText, 'x')));
    CHECK(recent.bytes() <= RecentEvents::kMostBytes);
    CHECK(recent.size() > 100);
    CHECK(recent.size() < 600);
    CHECK(counts_of(events::rows_of_recent(recent, 1)) == std::vector<std::uint64_t>{1000});
}

TEST_CASE("events that come, and push out others, while a list is made") {
    RecentEvents recent;
    for (std::uint64_t i = 1; i <= 10; ++i)
        recent.on_event(event_with(i));
    const auto rows = events::rows_of_recent(recent, 4);
    CHECK(rows()->at("count") == 7);
    recent.on_event(event_with(11));
    CHECK(rows()->at("count") == 8);
    for (std::uint64_t i = 12; i <= RecentEvents::kMostEvents + 9; ++i) // up to 9 are gone
        recent.on_event(event_with(i));
    CHECK(rows()->at("count") == 10);
    CHECK_FALSE(rows()); // 11 came after the request
    CHECK_FALSE(rows());
}

TEST_CASE("counters by kind, reason and cause") {
    events::EventCounters counters;
    Event event;
    event.kind = EventKind::knock_refused;
    event.reject = Reject::stale;
    counters.on_event(event);
    counters.on_event(event);
    counters.on_event(event_with(1'000'000));
    counters.on_event(event_with(5));
    Event ended;
    ended.kind = EventKind::grant_ended;
    ended.cause = EndCause::by_user;
    counters.on_event(ended);
    ended.kind = EventKind::session_ended;
    counters.on_event(ended);
    ended.kind = EventKind::count_; // nobody makes one
    counters.on_event(ended);
    CHECK(counters.of(EventKind::knock_refused) == 2);
    CHECK(counters.of(Reject::stale) == 2);
    CHECK(counters.of(Reject::future) == 0);
    CHECK(counters.of(EventKind::refusals_suppressed) == 1'000'005);
    CHECK(counters.of(EndCause::by_user) == 1);
    const nlohmann::json json = counters.json();
    CHECK(json["kinds"].size() == kEventKinds);
    CHECK(json["reasons"].size() == kRejects);
    CHECK(json["causes"].size() == kEndCauses);
    CHECK(json["kinds"]["knock_refused"] == 2);
    CHECK(json["reasons"]["stale"] == 2);
    CHECK(json["causes"]["by_user"] == 1);
    CHECK(json["kinds"]["panic_over"] == 0);
}

TEST_CASE("many events of one kind push out none of a rarer kind, by number or by bytes") {
    for (const std::size_t text : {std::size_t{0}, std::size_t{kMaxEventText}}) {
        CAPTURE(text);
        RecentEvents recent;
        Event rare;
        rare.kind = EventKind::panic_begun;
        rare.count = 1;
        recent.on_event(rare);
        Event other = event_with(2, std::string(text, 'y'));
        other.kind = EventKind::locked;
        for (int i = 0; i < 10; ++i)
            recent.on_event(other);
        Event none; // of no kind: nobody makes one
        recent.on_event(none);
        for (std::uint64_t i = 0; i < 20'000; ++i)
            recent.on_event(event_with(3, std::string(text, 'x')));
        CHECK(recent.size() <= RecentEvents::kMostEvents);
        CHECK((text > 0 || recent.size() == RecentEvents::kMostEvents));
        CHECK(recent.bytes() <= RecentEvents::kMostBytes);
        std::vector<std::uint64_t> numbers;
        std::size_t locks = 0;
        for (const RecentEvents::Numbered* e = recent.after(0); e != nullptr; e = recent.after(e->number)) {
            numbers.push_back(e->number);
            locks += e->event.kind == EventKind::locked;
        }
        REQUIRE(numbers.size() == recent.size());
        CHECK(numbers.front() == 1); // the panic
        CHECK(numbers.back() == 20'012);
        CHECK(numbers[11] == 12);
        CHECK(locks == 10);
        CHECK(std::ranges::is_sorted(numbers));
        CHECK(recent.before_last(1) == 20'011);
        CHECK(recent.before_last(0) == 20'012);
        CHECK(recent.before_last(recent.size() - 1) == 1); // without the panic
        CHECK(recent.before_last(recent.size()) == 0);
    }
}
