// SPDX-License-Identifier: MIT
//
// The throttle on guessing the second factor (RFC 4226 section 7.3): by default five wrong codes are free, then the
// credential is locked for 30 s, doubling to an hour; at fifty it is locked for good, until the operator
// unlocks it. Only the holder of a credential's key can make it count, and only that credential is locked:
// the user's other devices go on, so a thief of one cannot lock the owner out.
#pragma once

#include "daemon/authz/policy.h"
#include "daemon/authz/state.h"

#include <chrono>

namespace xk::authz {

bool is_locked(const CredentialState& state, BootTime now);
bool is_locked_for_good(const CredentialState& state);

// What is left of a lock; zero when there is none. Not for one that is for good.
std::chrono::seconds locked_for(const CredentialState& state, BootTime now);

// One more wrong code, known by its fingerprint. The client seals what a person typed anew after one and three seconds,
// and again for every address of the server: within one period of the code (RFC 6238) that is one wrong code. Later it
// is a guess at other codes and counts again.
void count_failure(CredentialState& state, const Lockout& rules, std::uint64_t code, BootTime now);

// A right one, or the operator.
void forget_failures(CredentialState& state);

} // namespace xk::authz
