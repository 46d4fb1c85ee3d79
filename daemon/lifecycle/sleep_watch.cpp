// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/sleep_watch.h"

#include "protocol/base/clock.h"

#include <ctime>
#include <utility>

namespace xk {
namespace {

constexpr std::chrono::seconds kShortestSleep{1};

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

} // namespace xk
