// SPDX-License-Identifier: MIT
//
// The two clocks of the project, as types that do not mix.
//   WallTime  CLOCK_REALTIME in microseconds since 1970: what packets and slots speak of.
//   BootTime  CLOCK_BOOTTIME in nanoseconds: what lifetimes, lock-outs and the kernel filter use; it
//             counts sleep and cannot be set.
// Judgement never reads a clock: it gets a Now.
#pragma once

#include <ctime>

#include <chrono>

namespace xk {

using WallTime = std::chrono::sys_time<std::chrono::microseconds>;

struct BootClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<BootClock>;
    static constexpr bool is_steady = true;
    static time_point now() {
        timespec t{};
        ::clock_gettime(CLOCK_BOOTTIME, &t);
        return time_point(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
    }
};

using BootTime = BootClock::time_point;

struct Now {
    WallTime wall;
    BootTime boot;

    static Now read() {
        // system_clock of a libstdc++ for 32 bits has a time of 32 bits: on armhf it ends in 2038.
        timespec t{};
        ::clock_gettime(CLOCK_REALTIME, &t);
        const auto since = std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
        return {WallTime(std::chrono::floor<std::chrono::microseconds>(since)), BootClock::now()};
    }

    // The wall time of another moment of this boot, by the present relation of the clocks.
    WallTime wall_at(BootTime t) const {
        return wall + std::chrono::duration_cast<std::chrono::microseconds>(t - boot);
    }
    // The boot time of a wall time, likewise. May lie before the boot (negative).
    BootTime boot_at(WallTime t) const { return boot + (t - wall); }
};

} // namespace xk
