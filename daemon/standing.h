// SPDX-License-Identifier: MIT
//
// Whether a device may knock, whatever it asks for: for "knockctl users", and for the log at start and on reload, where
// it is said of those who may not, or soon may not.
#pragma once

#include "daemon/gate/policy.h"
#include "daemon/gate/state.h"

#include <string_view>

namespace xk {

enum class Standing { ok, disabled, not_yet_valid, expired, locked_for_a_while, locked };
std::string_view name_of(Standing standing);

Standing standing_of(const gate::Credential& credential, const gate::CredentialState& state, const Now& now);

// A line for each kind, with a few names.
void log_standing(const gate::Policy& policy, const gate::StateImage& state, const Now& now);

} // namespace xk
