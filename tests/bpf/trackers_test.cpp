// SPDX-License-Identifier: MIT
//
// Random traces of ports, by many sources and over hours, through the filter and through trackers of the documented
// rules. Both kinds of sequences are followed at once. A trace is the same for the same number, which a failure prints.
#include "ports.h"
#include "trackers.h"

#include "protocol/base/clock.h"

#include <algorithm>
#include <iterator>
#include <random>

using namespace xk;
using namespace std::chrono_literals;
using test::By;
using test::Filter;
using test::Found;
using test::Ports;
using test::TraceTime;

namespace {

// Time passes in steps of this: no sum of steps is less than half a second before a limit of the rules or of the
// bucket, so what the test itself takes decides nothing.
constexpr TraceTime kTick = 1480ms, kInterval = 17s, kLongestRun = 400ms;
constexpr std::int64_t kAttempts = 3;
constexpr std::size_t kStrong = 5, kClock = 4;
constexpr std::uint16_t kOpenPort = 2003;
constexpr const char* kSources[] = {"192.0.2.7", "192.0.2.8", "198.51.100.9", "2001:db8::7", "2001:db8::8"};

std::uint64_t ns(TraceTime time) { return static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count()); }
BootTime boot_clock() { return BootClock::now(); }

void with_both(xk_settings& settings) {
    settings.sequences = 1;
    settings.c_lock_ports = kClock;
    settings.attempt_burst = kAttempts;
    settings.attempt_interval = ns(kInterval);
    settings.open_ports[0] = kOpenPort;
    settings.knock_burst = 1'000'000'000;
}

class Trace {
  public:
    Trace(Filter& filter, std::uint32_t number)
        : filter_(filter), random_(number), first_(Filter::kSlot + 1000 * Slot{number}) {
        filter_.forget_sequences();
        clock_.open_port = kOpenPort;
        pass(TraceTime{});
    }

    // Sends so many ports, and counts the reports. False: the test took too long for its result to mean anything.
    bool run(std::size_t ports, std::map<int, std::size_t>& outcomes) {
        const BootTime began = boot_clock();
        for (std::size_t i = 0; i < ports; ++i) {
            step(i, outcomes);
            if (boot_clock() - began > kLongestRun)
                return false;
            if (!wrong_.empty())
                break;
        }
        CHECK_MESSAGE(wrong_.empty(), wrong_);
        return true;
    }

  private:
    std::uint32_t draw(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }

    Ports draw_ports(bool strong) {
        Ports ports;
        while (ports.size() < (strong ? kStrong : kClock)) {
            const auto port = static_cast<std::uint16_t>(strong ? 24576 + draw(7) : 2000 + draw(3));
            if (!strong || std::ranges::find(ports, port) == ports.end())
                ports.push_back(port);
        }
        return ports;
    }
    void publish(Slot slot) {
        for (std::uint32_t credential = 0; credential < 3; ++credential) {
            const Ports strong = draw_ports(true), clock = draw_ports(false);
            if (strong_.sequences[slot].emplace(strong, credential).second)
                filter_.publish_sequence(strong, slot, 0, 1, credential);
            // Where two devices or two slots have the same ports, xknockd publishes neither.
            if (!clock_.sequences[slot - 1].contains(clock) && clock_.sequences[slot].emplace(clock, credential).second)
                filter_.publish_c_lock(clock, slot, 0, 1, credential);
        }
    }
    void pass(TraceTime time) {
        time_ += time;
        if (time.count() > 0) {
            filter_.age_progress(ns(time));
            filter_.age_runs(ns(time));
        }
        const auto is_open = [&](Slot slot) {
            const TraceTime begin = 30s * static_cast<std::int64_t>(slot - first_);
            return time_ >= begin && time_ < begin + 35s;
        };
        const Slot present = first_ + static_cast<Slot>(time_ / 30s);
        if (strong_.sequences.empty() || strong_.sequences.rbegin()->first < present)
            publish(present);
        open_.clear();
        for (const Slot slot : {present - 2, present - 1, present}) {
            filter_.set_sequence_slot({slot, 0, is_open(slot) ? ~0ull : 1, 0});
            if (is_open(slot))
                open_.push_back(slot);
        }
    }
    // Mostly none, often a little, sometimes so much that a penalty ends.
    TraceTime draw_time() {
        // A boot that was too short ago has no time that is an hour before a penalty's end.
        const bool is_long_boot = boot_clock().time_since_epoch() > 2h;
        switch (draw(40)) {
        case 0:
        case 1:
            return kTick;
        case 2:
            return 2 * kTick;
        case 3:
            return 4 * kTick;
        case 4:
            return 12 * kTick;
        case 5:
            return draw(3) == 0 ? 41 * kTick : kTick;
        case 6:
            return is_long_boot && draw(8) == 0 ? 406 * kTick : kTick;
        case 7:
            return is_long_boot && draw(20) == 0 ? 2500 * kTick : 3 * kTick;
        default:
            return TraceTime{};
        }
    }
    // Mostly the next port of some sequence that counts, sometimes another one.
    std::uint16_t draw_port(std::size_t source) {
        static constexpr std::uint16_t kOthers[] = {443,   kOpenPort, 2000,  2001,  2002,
                                                    24576, 24577,     24580, 24583, 32768};
        Ports& aim = aims_[source];
        if (aim.empty()) {
            const Slot slot = open_[draw(static_cast<std::uint32_t>(open_.size()))];
            const auto& all = draw(2) == 0 ? strong_.sequences[slot] : clock_.sequences[slot];
            if (all.empty())
                return kOthers[0];
            aim = std::next(all.begin(), draw(static_cast<std::uint32_t>(all.size())))->first;
        }
        if (draw(25) == 0)
            return kOthers[draw(std::size(kOthers))];
        const std::uint16_t port = aim.front();
        if (draw(25) != 0) // else it comes twice
            aim.erase(aim.begin());
        return port;
    }
    void step(std::size_t at, std::map<int, std::size_t>& outcomes);

    Filter& filter_;
    std::mt19937 random_;
    Slot first_;
    TraceTime time_{};
    std::vector<Slot> open_;
    test::StrongTracker strong_;
    test::ClockTracker clock_{kClock, kAttempts, kInterval};
    std::map<std::size_t, Ports> aims_;
    std::string wrong_;
};

void Trace::step(std::size_t at, std::map<int, std::size_t>& outcomes) {
    pass(draw_time());
    const std::size_t source = draw(std::size(kSources));
    const std::uint16_t port = draw_port(source);
    const By by = port < 24576 || draw(4) == 0 ? By::syn : By::datagram;
    const Address address = test::address(kSources[source]);
    std::vector<Found> expected = strong_.take_port(address, port, time_, open_);
    if (by == By::syn)
        std::ranges::move(clock_.take_port(address, port, time_, open_), std::back_inserter(expected));

    const test::Verdict verdict = send_port(filter_, port, by, kSources[source]);
    std::vector<int> counters;
    for (const Found& found : expected)
        counters.push_back(found.counter);
    std::ranges::sort(counters);
    bool is_right = verdict.counters == counters &&
                    verdict.sequence.has_value() == (std::ranges::count(counters, int{XK_SEQUENCE}) > 0);
    if (is_right && verdict.sequence && expected.size() == 1) {
        const auto& [head, sent] = *verdict.sequence;
        const Found& found = expected.front();
        is_right = head.slot == found.slot && head.credential == found.credential &&
                   head.kind == (port < 24576 ? XK_RECORD_C_LOCK : XK_RECORD_SEQUENCE) &&
                   Ports(sent.port, sent.port + sent.count) == found.ports;
    }
    if (!is_right)
        wrong_ = "port " + std::to_string(at) + " of the trace: " + std::to_string(port) + " from " + kSources[source];
    for (const int counter : counters)
        ++outcomes[port < 24576 ? counter : -1 - counter];
}

} // namespace

TEST_CASE("the filter follows random traces of both kinds of sequences as the documented rules say" *
          doctest::test_suite("long")) {
    constexpr std::uint32_t kTraces = 600;
    Filter filter(with_both);
    std::map<int, std::size_t> outcomes;
    for (std::uint32_t number = 0; number < kTraces; ++number) {
        CAPTURE(number);
        std::map<int, std::size_t> of_trace;
        int tries = 1;
        for (; !Trace(filter, number).run(120, of_trace); ++tries) {
            REQUIRE(tries < 20);
            of_trace.clear();
        }
        for (const auto& [outcome, times] : of_trace)
            outcomes[outcome] += times;
    }
    // Each end of a whole sequence was met often, of c-lock and of the strong kind.
    for (const int outcome : {int{XK_SEQUENCE}, int{XK_SEEN}, int{XK_RATE}, -1 - XK_SEQUENCE, -1 - XK_SEEN}) {
        CAPTURE(outcome);
        CHECK(outcomes[outcome] > 20);
    }
}
