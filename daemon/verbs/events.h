// SPDX-License-Identifier: MIT
//
// The verb "events": what happened of late.
#pragma once

#include "daemon/verbs/verb.h"

namespace xk::events {
class RecentEvents;
}

namespace xk::verbs {

class EventSource {
  public:
    virtual ~EventSource() = default;
    // They live as long as the daemon.
    virtual const events::RecentEvents& recent_events() const = 0;
};

Table event_verbs(const EventSource& source);

} // namespace xk::verbs
