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
#include <string>
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
        ById by_id;                         // after commit(); of a partial plan only those that it looked at
        bool is_partial = false;
        std::vector<wire::CredentialId> removed; // of a partial plan

        std::set<std::uint32_t> touched() const; // places that are changed or emptied
    };
    // Plans the change from `before`, which counts (null: no configuration does), to `next`. `stamps` are by index of
    // `next`. A credential that stays keeps its place, and counts as changed if its rights or its secrets have changed.
    // A new one gets the lowest free place.
    Plan plan(const authz::Policy* before, const authz::Policy& next, std::vector<SecretStamps> stamps) const;
    // The same where only credentials of these users may differ. The others count as unchanged, and need no stamps. The
    // plan is partial.
    Plan plan_users(const authz::Policy& before, const authz::Policy& next, std::vector<SecretStamps> stamps,
                    const std::set<std::string>& users) const;
    void commit(Plan plan);

    std::uint32_t count() const { return count_; } // with the empty ones
    bool is_taken(std::uint32_t place) const { return place < count_ && taken_[place]; }
    // Whether the place's credential has the mode handshake.
    bool may_shake_hands(std::uint32_t place) const { return is_taken(place) && handshakes_[place]; }
    std::optional<std::uint32_t> find(const wire::CredentialId& id) const;

    // How many credentials there are after the commit.
    std::size_t size_after(const Plan& plan) const;

  private:
    void commit_partial(Plan& plan);
    void place_added(Plan& plan, const authz::Policy& next, const std::vector<std::uint32_t>& added,
                     std::vector<SecretStamps>& stamps, std::vector<bool>& taken) const;
    void change_at(Plan& plan, const authz::Policy& next, std::uint32_t place, std::uint32_t index) const;
    bool has_changed(const authz::Policy* before, const authz::Credential& next, const Held& held,
                     const SecretStamps& stamps) const;

    ById by_id_;
    std::vector<bool> taken_;
    std::vector<bool> handshakes_;
    std::uint32_t count_ = 0;
};

} // namespace xk
