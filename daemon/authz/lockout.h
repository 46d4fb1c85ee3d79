// SPDX-License-Identifier: MIT
//
// The throttle on guessing the second factor (RFC 4226 section 7.3). By default five wrong codes are free. The next one
// locks the credential for 30 s, each further one for twice as long, up to an hour. Fifty lock it for good, until the
// operator unlocks it. Only the holder of a credential's key can cause that, and only that credential is locked: the
// user's other devices go on, so that the thief of one device cannot lock the user out.
#pragma once

#include "daemon/authz/policy.h"
#include "daemon/authz/state.h"

#include <chrono>

namespace xk::authz {

bool is_locked(const CredentialState& state, BootTime now);
bool is_locked_for_good(const CredentialState& state);

// The time that the lock still lasts; zero without one. Do not call it for a lock that is for good.
std::chrono::seconds locked_for(const CredentialState& state, BootTime now);

// Counts a wrong code, which is known by its fingerprint. The client seals a typed code again after one and three
// seconds, and for every address of the server. Within one period of the code (RFC 6238) that is one wrong code. Later
// the same digits are a guess at another code and count again.
void count_failure(CredentialState& state, const Lockout& rules, std::uint64_t code, BootTime now);

// For a right code, and for the operator.
void forget_failures(CredentialState& state);

} // namespace xk::authz
