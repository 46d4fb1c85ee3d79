// SPDX-License-Identifier: MIT
#include "daemon/authz/lockout.h"

#include "protocol/otp.h"

#include <algorithm>

namespace xk::authz {

bool is_locked(const CredentialState& state, BootTime now) {
    return state.locked_until > now.time_since_epoch().count();
}

bool is_locked_for_good(const CredentialState& state) { return state.locked_until == kLockedForGood; }

std::chrono::seconds locked_for(const CredentialState& state, BootTime now) {
    if (!is_locked(state, now))
        return std::chrono::seconds(0);
    const std::chrono::nanoseconds left(state.locked_until - now.time_since_epoch().count());
    return std::chrono::ceil<std::chrono::seconds>(left);
}

void count_failure(CredentialState& state, const Lockout& rules, std::uint64_t code, BootTime now) {
    if (state.wrong_code == code && now.time_since_epoch().count() < state.wrong_until)
        return;
    state.wrong_code = code;
    state.wrong_until = (now + kTotpPeriod).time_since_epoch().count();
    ++state.failures;
    if (state.failures >= rules.most) {
        state.locked_until = kLockedForGood;
        return;
    }
    if (state.failures <= rules.free)
        return;
    const std::uint32_t doublings = std::min(state.failures - rules.free - 1, 16u);
    const auto delay = std::min(rules.first * (1 << doublings), rules.longest);
    state.locked_until = (now + delay).time_since_epoch().count();
}

void forget_failures(CredentialState& state) {
    state.wrong_until = 0;
    state.failures = 0;
    state.locked_until = 0;
}

} // namespace xk::authz
