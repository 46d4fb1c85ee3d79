// SPDX-License-Identifier: MIT
//
// CredentialStatus says whether a device may knock at all. "knockctl users" shows it. At the start and after a reload
// the log names the devices that may not knock, and those whose time ends soon.
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

// Records finds the records of a policy's credentials in the worker's memory. It remembers their places, because a
// search for each of n credentials would take n * n steps. At each use it checks that the record is still at its place.
class Records {
  public:
    // Called before a row of calls of of(). If a record is not at its place any more, it searches all records once.
    // That is so after a reload, or when the worker has made new records.
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
