// SPDX-License-Identifier: MIT
//
// CodeStep: what a code is computed from, the step of TOTP or the counter of HOTP, as one number that only grows. HOTP
// counters have the highest bit set. So the memory itself says which records no clock bounds, and it refuses no counter
// because of the steps that the credential used before it had factor hotp.
#pragma once

#include "protocol/otp.h"

#include <cstdint>
#include <optional>

namespace xk::authz {

using CodeStep = std::uint64_t;

inline constexpr CodeStep kHotpBit = CodeStep{1} << 63;

constexpr bool is_hotp_step(CodeStep step) { return (step & kHotpBit) != 0; }
constexpr CodeStep step_of_counter(HotpCounter counter) { return kHotpBit | counter; }

// The next counter, after the last used one of a record (CredentialState::code_step); 0 if none was used.
constexpr HotpCounter next_counter(CodeStep used) { return is_hotp_step(used) ? used & ~kHotpBit : 0; }

// The step, where it is one of TOTP.
constexpr std::optional<TotpStep> totp_step_of(std::optional<CodeStep> step) {
    return step && !is_hotp_step(*step) ? step : std::nullopt;
}

} // namespace xk::authz
