// SPDX-License-Identifier: MIT
//
// CredentialStatus: whether a device may knock, whatever it requests. "knockctl users" shows it. At start and after a
// reload the log names the devices that may not knock, or soon may not.
#pragma once

#include "daemon/authz/policy.h"
#include "daemon/authz/state.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace xk {

enum class CredentialStatus { ok, disabled, not_yet_valid, expired, locked_for_a_while, locked };
std::string_view name_of(CredentialStatus status);

CredentialStatus status_of(const authz::Credential& credential, const authz::CredentialState& state, const Now& now);

// Records: finds the records of a policy's credentials in the worker's memory. It remembers their places, because a
// search for each would take the square of their number, and checks at each use that the record is still there.
class Records {
  public:
    // Called before a round of of(). It searches all records once if one is not at its place any more: after a reload,
    // or when the worker has made new ones.
    void find(const authz::Policy& policy, const authz::StateImage& state);
    // The record of the credential with this index, or an empty one where the worker has none.
    authz::CredentialState of(const authz::Policy& policy, std::size_t credential,
                              const authz::StateImage& state) const;

  private:
    bool is_at_its_place(const authz::Policy& policy, std::size_t credential, const authz::StateImage& state) const;
    std::vector<std::uint32_t> places_; // by index of the credential
};

// Logs one line for each status, with the first names.
void log_statuses(const authz::Policy& policy, Records& records, const authz::StateImage& state, const Now& now);

} // namespace xk
