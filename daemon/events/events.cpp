// SPDX-License-Identifier: MIT
#include "daemon/events/events.h"

#include <algorithm>
#include <utility>

namespace xk::events {

void Events::add(std::string name, authz::EventSink& sink, Time time) {
    Sink& added = sinks_.emplace_back();
    added.lost.name = std::move(name);
    added.sink = &sink;
    added.is_limited = time == Time::limited;
    added.counted = clock_();
}

void Events::on_event(const authz::Event& event) {
    if (handing_out_ && waiting_.size() >= kMostWaiting) {
        ++dropped_;
        return;
    }
    waiting_.push_back(event);
    authz::bound(waiting_.back());
    if (std::exchange(handing_out_, true))
        return;
    // Without the bound, a sink that causes another event for each event would keep this loop running for ever.
    for (std::size_t handed = 0; !waiting_.empty() && handed <= kMostWaiting; ++handed) {
        const authz::Event next = std::move(waiting_.front());
        waiting_.pop_front();
        hand_to_all(next);
    }
    dropped_ += waiting_.size();
    waiting_.clear();
    handing_out_ = false;
}

void Events::hand_to_all(const authz::Event& event) {
    for (Sink& sink : sinks_)
        hand_to(sink, event);
}

void Events::hand_to(Sink& sink, const authz::Event& event) {
    const BootTime begin = clock_();
    sink.time = std::min<std::chrono::nanoseconds>(kTimeAtFirst, sink.time + (begin - sink.counted) / kShareOfTime);
    sink.counted = begin;
    if (sink.is_limited && sink.time <= std::chrono::nanoseconds(0)) {
        ++sink.lost.slow;
        return;
    }
    try {
        sink.sink->on_event(event);
    } catch (...) { // any exception: only this sink loses the event
        ++sink.lost.thrown;
    }
    sink.counted = clock_();
    sink.time -= sink.counted - begin;
}

std::vector<Events::Lost> Events::lost() const {
    std::vector<Lost> all;
    for (const Sink& sink : sinks_)
        all.push_back(sink.lost);
    return all;
}

} // namespace xk::events
