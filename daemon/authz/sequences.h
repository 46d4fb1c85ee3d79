// SPDX-License-Identifier: MIT
//
// Numbers of sequences of ports that both the judgement and the filter need.
#pragma once

#include "daemon/authz/policy.h"
#include "protocol/base/clock.h"
#include "protocol/slot.h"

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace xk::authz {

// A sequence that was begun before its slot ended may come to its end for so long.
inline constexpr std::chrono::seconds kSequenceGrace{5};
struct SequenceLife {
    WallTime from, until;
};
inline SequenceLife sequence_life(Slot slot) { return {slot_begin(slot), slot_end(slot) + kSequenceGrace}; }

// So many credentials may knock by sequences: XK_MAX_SEQUENCES. The filter's map has room for their steps on every
// host.
inline constexpr std::size_t kMostSequences = 1000;

// In one slot the filter lets all sources together begin so many sequences: XK_MOST_BEGUN of bpf/abi.h.
inline constexpr std::uint32_t kMostBegun = 1u << 20;

// An upper limit of the chance that somebody who knows no key completes a sequence within a day, while they send as
// much as the filter lets them. `credentials` may knock by sequences of `ports` ports, at least two.
double guess_odds(std::size_t credentials, std::size_t ports);

} // namespace xk::authz
