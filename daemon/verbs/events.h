// SPDX-License-Identifier: MIT
//
// The verb "events": lists the recent events.
#pragma once

#include "daemon/verbs/verb.h"

namespace xk::events {
class RecentEvents;
}

namespace xk::verbs {

class EventSource {
  public:
    virtual ~EventSource() = default;
    // The reference is valid as long as the daemon lives.
    virtual const events::RecentEvents& recent_events() const = 0;
};

Table event_verbs(const EventSource& source);

} // namespace xk::verbs
