// SPDX-License-Identifier: MIT
//
// Events hands each event to every sink, in the order in which the sinks were added. No sink can block the caller of
// on_event():
//   - An event that a sink causes waits until all sinks have the event before it (no recursion). At most kMostWaiting
//     events wait.
//   - A sink that throws loses that event. The other sinks get it.
//   - A sink may use two seconds at first, and later a quarter of the time. While its time is used up it gets no event.
//     The log has no limit, because an event without a line is lost for the operator.
// Lost events are counted for each sink. There is one thread.
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
    static constexpr int kShareOfTime = 4; // one part in this many

    // The clock that measures the time of a sink. Tests pass their own.
    using Clock = std::function<BootTime()>;
    explicit Events(Clock clock = BootClock::now) : clock_(std::move(clock)) {}

    enum class Time { limited, unlimited };
    // `sink` must outlive this object. `name` is for the counters.
    void add(std::string name, authz::EventSink& sink, Time time = Time::limited);

    // Bounds the texts of the event (authz::bound()) before the sinks get it.
    void on_event(const authz::Event& event) override;

    struct Lost {
        std::string name;
        std::uint64_t thrown = 0; // events that the sink lost because it threw
        std::uint64_t slow = 0;   // events that it did not get because its time was used up
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
