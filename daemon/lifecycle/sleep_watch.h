// SPDX-License-Identifier: MIT
//
// SleepWatch: whether the machine slept. Time-outs of nftables stand still meanwhile, and grants and bans do not.
#pragma once

#include <chrono>
#include <optional>

namespace xk {

class SleepWatch {
  public:
    // `asleep`: how long the machine has slept in this boot. True where that is more than a second longer than at the
    // last call; the first call has nothing to compare with.
    bool has_slept(std::chrono::nanoseconds asleep);

  private:
    std::optional<std::chrono::nanoseconds> before_;
};

// By the kernel's clocks: CLOCK_BOOTTIME counts sleep and CLOCK_MONOTONIC does not.
std::chrono::nanoseconds time_asleep();

} // namespace xk
