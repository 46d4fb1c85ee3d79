// SPDX-License-Identifier: MIT
//
// SleepWatch: finds out that the machine slept. The time-outs of nftables stand still in a sleep, and grants and bans
// go on: afterwards their elements would live too long.
#pragma once

#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <chrono>
#include <optional>

namespace xk {

class SleepWatch {
  public:
    // `asleep`: the time that the machine has slept in this boot. True where that is more than a second longer than at
    // the last call; the first call has nothing to compare with.
    bool has_slept(std::chrono::nanoseconds asleep);

  private:
    std::optional<std::chrono::nanoseconds> before_;
};

// By the kernel's clocks: CLOCK_BOOTTIME counts sleep and CLOCK_MONOTONIC does not.
std::chrono::nanoseconds time_asleep();

// Writes elements with the time that is left of them.
class RestorePort {
  public:
    virtual ~RestorePort() = default;
    virtual Result<void> restore_grants(const Now& now) = 0;
    virtual Result<void> restore_bans(const Now& now) = 0;
};

// Does both, whatever fails. False: errors were logged, and the table has to be repaired.
bool restore_after_sleep(RestorePort& port, const Now& now);

} // namespace xk
