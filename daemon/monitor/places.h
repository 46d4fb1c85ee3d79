// SPDX-License-Identifier: MIT
//
// Places: which place each credential has with the worker and in the filter (authz::PolicyChange), and what of a new
// configuration differs from the one that counts. Pure: it plans, and counts when it is told to.
#pragma once

#include "daemon/authz/policy_change.h"
#include "daemon/monitor/secret_stamp.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace xk {

class Places {
  public:
    struct Held {
        std::uint32_t place;
        SecretStamps stamps; // of the secrets that the worker has
    };
    using ById = std::map<wire::CredentialId, Held>;

    struct Plan {
        authz::PolicyChange change;
        std::vector<std::uint32_t> indices; // in the new policy, of each of change.changed
        ById by_id;                         // how it is when the plan counts

        std::set<std::uint32_t> touched() const; // places, changed or emptied
    };
    // From `before`, which counts (null: none does), to `next`. `stamps` by index of next. A credential that stays
    // keeps its place; it is changed where its rights or its secrets are. A new one takes the lowest free place.
    Plan plan(const authz::Policy* before, const authz::Policy& next, std::vector<SecretStamps> stamps) const;
    void commit(Plan plan);

    std::uint32_t count() const { return count_; } // empty ones too
    bool is_taken(std::uint32_t place) const { return place < count_ && taken_[place]; }
    std::optional<std::uint32_t> find(const wire::CredentialId& id) const;

  private:
    ById by_id_;
    std::vector<bool> taken_;
    std::uint32_t count_ = 0;
};

} // namespace xk
