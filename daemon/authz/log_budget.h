// SPDX-License-Identifier: MIT
//
// LogBudget: how many lines may be written. For refusals one line for each reason and source in ten seconds,
// and sixty of all kinds in a minute; the rest is counted and told in one line. So nobody, not even the holder
// of a credential, fills a disk.
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

    // At most `lines` in a period, and of the same kind and source only one in `quiet`.
    explicit LogBudget(unsigned lines = 60, std::chrono::seconds quiet = std::chrono::seconds(10))
        : limit_(lines), quiet_(quiet) {}

    // Whether to write the line. `kind` is a Reject, or any other number the caller chooses.
    bool allow(unsigned kind, const Address& source, BootTime now);

    // Lines that were not written and not told of yet; 0 when it told of some less than a period ago.
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
