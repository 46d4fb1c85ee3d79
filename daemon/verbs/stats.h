// SPDX-License-Identifier: MIT
//
// The verb "stats": the counters of the filter, of judgement and of events.
#pragma once

#include "daemon/authz/state.h"
#include "daemon/verbs/verb.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace xk::events {
class EventCounters;
class Events;
} // namespace xk::events

namespace xk::verbs {

class CounterSource {
  public:
    virtual ~CounterSource() = default;
    // The sums over all processors. The names live as long as the daemon.
    using Counters = std::vector<std::pair<std::string_view, std::uint64_t>>;
    virtual Result<Counters> read_filter_counters() = 0;
    virtual authz::StateHeader read_judgement_counters() const = 0;
    virtual const events::EventCounters& event_counters() const = 0;
    virtual const events::Events& events() const = 0; // how many of them were lost
};

Table stats_verbs(CounterSource& counters);

} // namespace xk::verbs
