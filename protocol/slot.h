// SPDX-License-Identifier: MIT
//
// Slot: floor(Unix seconds / 30), the unit in which tags and packet keys change.
#pragma once

#include "protocol/base/clock.h"
#include "protocol/wire.h"

#include <cstdint>
#include <limits>

namespace xk {

using Slot = std::uint64_t;

// Times before 1970 have no slot of their own and count as slot 0.
constexpr Slot slot_of(WallTime t) {
    const auto us = t.time_since_epoch().count();
    const auto length = std::chrono::microseconds(wire::kSlotLength).count();
    return us < 0 ? 0 : static_cast<Slot>(us / length);
}

constexpr WallTime slot_begin(Slot slot) { return WallTime(wire::kSlotLength * static_cast<std::int64_t>(slot)); }

constexpr WallTime slot_end(Slot slot) { return slot_begin(slot + 1); }

// The last slot whose end is a WallTime. No clock shows a later one, but a damaged file may.
inline constexpr Slot kLastSlot =
    std::numeric_limits<std::int64_t>::max() / std::chrono::microseconds(wire::kSlotLength).count() - 1;

} // namespace xk
