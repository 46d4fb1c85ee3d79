// SPDX-License-Identifier: MIT
#include "daemon/verbs/events.h"

#include "daemon/events/recent.h"
#include "daemon/verbs/reply.h"

namespace xk::verbs {

Table event_verbs(const EventSource& source) {
    return {{"events", control::Role::reader, {}, [&](const Request& request) -> Result<control::Reply> {
                 const auto next = events::rows_of_recent(source.recent_events(), events::RecentEvents::kMostEvents);
                 return rows_reply({"events", [next](const Now&) { return next(); }}, request.clock);
             }}};
}

} // namespace xk::verbs
