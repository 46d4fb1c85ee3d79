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
    bool whole = true;
    for (const auto restore : {&RestorePort::restore_grants, &RestorePort::restore_bans})
        if (auto done = (port.*restore)(now); !done) {
            log::error(std::move(done).error().within("after the sleep"));
            whole = false;
        }
    return whole;
}

} // namespace xk
