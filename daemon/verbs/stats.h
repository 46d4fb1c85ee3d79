// SPDX-License-Identifier: MIT
//
// The verb "stats": what the filter and judgement counted.
#pragma once

#include "daemon/authz/state.h"
#include "daemon/verbs/verb.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace xk::verbs {

class CounterSource {
  public:
    virtual ~CounterSource() = default;
    // Of all processors together. The names stay as long as the daemon lives.
    using Counters = std::vector<std::pair<std::string_view, std::uint64_t>>;
    virtual Result<Counters> read_filter_counters() = 0;
    virtual authz::StateHeader read_judgement_counters() const = 0;
};

Table stats_verbs(CounterSource& counters);

} // namespace xk::verbs
