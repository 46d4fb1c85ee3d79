// SPDX-License-Identifier: MIT
//
// Numbers of sequences of ports that both the judgement and the filter need.
#pragma once

#include "daemon/authz/factor.h"
#include "daemon/authz/policy.h"
#include "protocol/base/clock.h"
#include "protocol/slot.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

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

// Whether this device has codes that c-lock's client could have: TOTP with six digits.
constexpr bool can_use_c_lock(const Credential& credential) {
    return credential.factor == FactorKind::totp && credential.totp_digits == 6;
}

// The ports of c-lock for this slot. The step of the code is the slot, because both are 30 seconds since 1970.
std::vector<std::uint16_t> clock_ports_of(const FactorSecret& secret, Slot slot, std::size_t count);

// All sources together may guess so many sequences of c-lock in an hour, and so many at once.
inline constexpr std::uint32_t kAttemptsPerHour = 10;

// An upper limit of the chance that somebody who knows no secret completes a sequence of c-lock within a day.
double clock_guess_odds(std::size_t credentials, std::uint32_t attempts_per_hour);

} // namespace xk::authz
