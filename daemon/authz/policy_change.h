// SPDX-License-Identifier: MIT
//
// PolicyChange: the difference that a reload makes to a policy. A credential has a place, the index by which the worker
// and the filter's maps know it. It keeps its place as long as it exists, so that a reload of one credential does the
// work of one. When a credential is removed, its place is empty: the id and the keys there are zeros, and no knock
// matches it.
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
    std::uint32_t places = 0; // how many there are afterwards, with the empty ones; never fewer than before
    Settings settings;
    std::vector<Service> services; // all of them
    std::vector<PlacedCredential> changed;
    std::vector<std::uint32_t> emptied; // places
};

inline bool is_empty_place(const Credential& credential) { return credential.id == wire::CredentialId{}; }

// Whether each place is one of `places` and is named once, each changed one has an id, and a sequence can have so many
// ports.
bool is_sound(const PolicyChange& change);

// Applies the change to the policy. The change must be is_sound().
void apply(PolicyChange change, Policy& policy);

} // namespace xk::authz
