// SPDX-License-Identifier: MIT
//
// LogBudget: limits the lines of a log. For refusals it allows one line for each reason and source in ten seconds, and
// sixty of all kinds in a minute. The rest is counted and reported in one line. So nobody, not even the holder of a
// credential, can fill a disk.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/clock.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <utility>

namespace xk::authz {

class LogBudget {
  public:
    static constexpr std::chrono::seconds kPeriod{60};

    // At most `lines` in a period, and only one of the same kind and source in `quiet`.
    explicit LogBudget(unsigned lines = 60, std::chrono::seconds quiet = std::chrono::seconds(10))
        : limit_(lines), quiet_(quiet) {}

    // Whether the line may be written. `kind` is a Reject, or any other number that the caller chooses.
    bool allow(unsigned kind, const Address& source, BootTime now);

    // The number of lines that were left out and not reported yet; 0 where the last report is less than a period ago.
    std::uint64_t take_suppressed(BootTime now);

  private:
    unsigned limit_;
    std::chrono::seconds quiet_;
    std::map<std::pair<unsigned, Address>, BootTime> last_; // of this period, and a few older ones
    BootTime period_{};
    unsigned lines_ = 0;
    std::uint64_t suppressed_ = 0;
    BootTime silent_until_ = BootTime::min();
};

} // namespace xk::authz
