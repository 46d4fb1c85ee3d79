// SPDX-License-Identifier: MIT
//
// LogBudget: how many lines about refusals may be written. One line for each reason and source in ten
// seconds, and sixty of all kinds in a minute; the rest is counted and told in one line. So nobody, not even
// the holder of a credential, fills a disk.
#pragma once

#include "daemon/gate/reject.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <utility>

namespace xk::gate {

class LogBudget {
  public:
    static constexpr std::chrono::seconds kQuiet{10};
    static constexpr std::chrono::seconds kPeriod{60};
    static constexpr unsigned kLines = 60;

    // Whether to write the line.
    bool allow(Reject reason, const Address& source, BootTime now);

    // Lines that were not written since the last time this was asked; asked once in a period.
    std::uint64_t take_suppressed();

  private:
    std::map<std::pair<Reject, Address>, BootTime> last_; // about two periods of them
    BootTime period_{};
    unsigned lines_ = 0;
    std::uint64_t suppressed_ = 0;
};

} // namespace xk::gate
