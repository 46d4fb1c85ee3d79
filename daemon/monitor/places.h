// SPDX-License-Identifier: MIT
//
// Places knows the place of each credential in the worker and in the filter (authz::PolicyChange). plan() finds the
// changes for a new configuration, and commit() takes the plan over.
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
        std::vector<std::uint32_t> indices; // the index in the new policy of each entry of change.changed
        ById by_id;                         // after commit()

        std::set<std::uint32_t> touched() const; // places that are changed or emptied
    };
    // Plans the change from `before`, which counts (null: no configuration does), to `next`. `stamps` are by index of
    // `next`. A credential that stays keeps its place, and counts as changed if its rights or its secrets have changed.
    // A new one gets the lowest free place.
    Plan plan(const authz::Policy* before, const authz::Policy& next, std::vector<SecretStamps> stamps) const;
    void commit(Plan plan);

    std::uint32_t count() const { return count_; } // with the empty ones
    bool is_taken(std::uint32_t place) const { return place < count_ && taken_[place]; }
    // Whether the place's credential has the mode handshake.
    bool may_shake_hands(std::uint32_t place) const { return is_taken(place) && handshakes_[place]; }
    std::optional<std::uint32_t> find(const wire::CredentialId& id) const;

  private:
    ById by_id_;
    std::vector<bool> taken_;
    std::vector<bool> handshakes_;
    std::uint32_t count_ = 0;
};

} // namespace xk
