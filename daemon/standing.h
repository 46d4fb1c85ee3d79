// SPDX-License-Identifier: MIT
//
// Whether a device may knock, whatever it asks for: for "knockctl users", and for the log at start and on reload, where
// it is said of those who may not, or soon may not.
#pragma once

#include "daemon/gate/policy.h"
#include "daemon/gate/state.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace xk {

enum class Standing { ok, disabled, not_yet_valid, expired, locked_for_a_while, locked };
std::string_view name_of(Standing standing);

Standing standing_of(const gate::Credential& credential, const gate::CredentialState& state, const Now& now);

// Where the records of a policy's credentials are in the worker's memory. Places are remembered, because to look for
// each would take the square of their number; what is found at one is checked each time.
class Records {
  public:
    // To be called before a round of of(): looks at all records once, where some are not at their places any more (a
    // reload, or a worker that has only now made them).
    void find(const gate::Policy& policy, const gate::StateImage& state);
    // Of the credential with this index; one that is all zero where it has none.
    gate::CredentialState of(const gate::Policy& policy, std::size_t credential, const gate::StateImage& state) const;

  private:
    bool is_at_its_place(const gate::Policy& policy, std::size_t credential, const gate::StateImage& state) const;
    std::vector<std::uint32_t> places_; // by index of the credential
};

// A line for each kind, with a few names.
void log_standing(const gate::Policy& policy, Records& records, const gate::StateImage& state, const Now& now);

} // namespace xk
