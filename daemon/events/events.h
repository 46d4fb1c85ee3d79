// SPDX-License-Identifier: MIT
//
// Events: hands each event to every sink, in the order in which the sinks were added. No sink can hold up whoever makes
// an event:
//   - what a sink itself causes waits until the event before it was handed to all (no recursion), up to kMostWaiting;
//   - a sink that throws has lost that event, and the others get it;
//   - a sink may take a quarter of the time, after two seconds that it has at first; what comes while it has none left
//     goes past it. The log is excepted: what it does not print nobody learns, and it has always waited for its file.
// What was lost is counted for each sink. One thread.
#pragma once

#include "daemon/authz/event.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

namespace xk::events {

class Events : public authz::EventSink {
  public:
    static constexpr std::size_t kMostWaiting = 64;
    static constexpr std::chrono::milliseconds kTimeAtFirst{2000};
    static constexpr int kShareOfTime = 4; // one of so many parts

    // The clock by which a sink's time is counted; for tests.
    using Clock = std::function<BootTime()>;
    explicit Events(Clock clock = BootClock::now) : clock_(std::move(clock)) {}

    enum class Time { limited, unlimited };
    // `sink` outlives this. `name` is for the counters.
    void add(std::string name, authz::EventSink& sink, Time time = Time::limited);

    // Texts are bounded on the way (authz::bound()).
    void on_event(const authz::Event& event) override;

    struct Lost {
        std::string name;
        std::uint64_t thrown = 0; // the sink threw, and
        std::uint64_t slow = 0;   // it had taken too much time before
    };
    std::vector<Lost> lost() const;
    std::uint64_t dropped() const { return dropped_; } // events that a sink caused, and no sink got

  private:
    struct Sink {
        Lost lost;
        authz::EventSink* sink;
        bool is_limited;
        std::chrono::nanoseconds time = kTimeAtFirst;
        BootTime counted{};
    };

    void hand_to_all(const authz::Event& event);
    void hand_to(Sink& sink, const authz::Event& event);

    Clock clock_;
    std::vector<Sink> sinks_;
    std::deque<authz::Event> waiting_;
    bool handing_out_ = false;
    std::uint64_t dropped_ = 0;
};

} // namespace xk::events
