// SPDX-License-Identifier: MIT
//
// PolicyChange: what a reload changes of a policy, and nothing else. A credential has a place, the index by which the
// worker and the filter's maps know it. It keeps its place for as long as it exists, whatever comes and goes around it,
// so that a change of one credential is the work of one. A place that a credential left is empty: its id is all zero,
// its keys are zeros, and nobody is judged by it.
#pragma once

#include "daemon/authz/policy.h"

#include <cstdint>
#include <type_traits>
#include <vector>

namespace xk::authz {

struct PlacedCredential {
    std::uint32_t place = 0;
    Credential credential;
};
static_assert(std::is_trivially_copyable_v<PlacedCredential>);

struct PolicyChange {
    std::uint32_t places = 0; // how many there are afterwards, empty ones too; never less than before
    Settings settings;
    std::vector<Service> services; // all of them
    std::vector<PlacedCredential> changed;
    std::vector<std::uint32_t> emptied; // places
};

inline bool is_empty_place(const Credential& credential) { return credential.id == wire::CredentialId{}; }

// Whether each place is one of `places` and is named once, and each changed one has an id.
bool is_sound(const PolicyChange& change);

// Makes the policy what the change says. `change` is_sound().
void apply(PolicyChange change, Policy& policy);

} // namespace xk::authz
