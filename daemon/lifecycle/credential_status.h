// SPDX-License-Identifier: MIT
//
// Whether a device may knock, whatever it asks for: for "knockctl users", and for the log at start and on reload, where
// it is said of those who may not, or soon may not.
#pragma once

#include "daemon/authz/policy.h"
#include "daemon/authz/state.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace xk {

enum class CredentialStatus { ok, disabled, not_yet_valid, expired, locked_for_a_while, locked };
std::string_view name_of(CredentialStatus standing);

CredentialStatus status_of(const authz::Credential& credential, const authz::CredentialState& state, const Now& now);

// Where the records of a policy's credentials are in the worker's memory. Places are remembered, because to look for
// each would take the square of their number; what is found at one is checked each time.
class Records {
  public:
    // To be called before a round of of(): looks at all records once, where some are not at their places any more (a
    // reload, or a worker that has only now made them).
    void find(const authz::Policy& policy, const authz::StateImage& state);
    // Of the credential with this index; one that is all zero where it has none.
    authz::CredentialState of(const authz::Policy& policy, std::size_t credential,
                              const authz::StateImage& state) const;

  private:
    bool is_at_its_place(const authz::Policy& policy, std::size_t credential, const authz::StateImage& state) const;
    std::vector<std::uint32_t> places_; // by index of the credential
};

// A line for each kind, with a few names.
void log_statuses(const authz::Policy& policy, Records& records, const authz::StateImage& state, const Now& now);

} // namespace xk
