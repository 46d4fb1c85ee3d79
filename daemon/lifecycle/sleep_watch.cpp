// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/sleep_watch.h"

#include "daemon/log.h"

#include <ctime>
#include <utility>

namespace xk {
namespace {

constexpr std::chrono::seconds kShortestSleep{1}; // above the time between the reads of the two clocks

} // namespace

bool SleepWatch::has_slept(std::chrono::nanoseconds asleep) {
    const auto before = std::exchange(before_, asleep);
    return before && asleep - *before > kShortestSleep;
}

std::chrono::nanoseconds time_asleep() {
    timespec awake{};
    ::clock_gettime(CLOCK_MONOTONIC, &awake);
    return BootClock::now().time_since_epoch() - std::chrono::seconds(awake.tv_sec) -
           std::chrono::nanoseconds(awake.tv_nsec);
}

bool restore_after_sleep(RestorePort& port, const Now& now) {
    const auto is_done = [](const Result<void>& done) {
        if (!done)
            log::error(Error(done.error()).within("after the sleep"));
        return done.has_value();
    };
    const bool grants = is_done(port.restore_grants(now));
    const bool bans = is_done(port.restore_bans(now));
    return grants && bans;
}

} // namespace xk
