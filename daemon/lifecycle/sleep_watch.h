// SPDX-License-Identifier: MIT
//
// SleepWatch notices that the machine slept. The time-outs of nftables stop in a sleep, but the time of grants and bans
// goes on. So their elements would live too long afterwards.
#pragma once

#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <chrono>
#include <optional>

namespace xk {

class SleepWatch {
  public:
    // `asleep` is the time that the machine has slept in this boot. Returns true if it is more than a second longer
    // than at the last call. The first call returns false.
    bool has_slept(std::chrono::nanoseconds asleep);

  private:
    std::optional<std::chrono::nanoseconds> before_;
};

// Returns the time that the machine has slept in this boot: CLOCK_BOOTTIME includes it and CLOCK_MONOTONIC does not.
std::chrono::nanoseconds time_asleep();

// Writes the elements anew with the time that is left by boot time.
class RestorePort {
  public:
    virtual ~RestorePort() = default;
    // Grants of single use that were used just before the sleep must not come back.
    virtual Result<void> restore_grants(const Now& now) = 0;
    virtual Result<void> restore_bans(const Now& now) = 0;
};

// Restores bans even if grants fail. Returns false if an error was logged: then the table has to be repaired.
bool restore_after_sleep(RestorePort& port, const Now& now);

} // namespace xk
