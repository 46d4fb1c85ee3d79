// SPDX-License-Identifier: MIT
//
// EventFanOut: hands each event to every sink that was added. The wiring owns the one of the process; without a sink an
// event costs nothing.
#pragma once

#include "daemon/authz/event.h"

#include <string>
#include <utility>
#include <vector>

namespace xk {

class EventFanOut : public authz::EventSink {
  public:
    // `sink` outlives this.
    void add(authz::EventSink& sink) { sinks_.push_back(&sink); }

    void on_event(const authz::Event& event) override {
        for (authz::EventSink* const sink : sinks_)
            sink->on_event(event);
    }

  private:
    std::vector<authz::EventSink*> sinks_;
};

// An event of the daemon itself, which has no user and no address.
inline authz::Event event_of(authz::EventKind kind, const Now& now, std::string detail = {}, std::uint64_t count = 0) {
    authz::Event event;
    event.kind = kind;
    event.at = now;
    event.detail = std::move(detail);
    event.count = count;
    return event;
}

} // namespace xk
