// SPDX-License-Identifier: MIT
//
// The interfaces from which several groups of verbs read: the configuration that counts, and the state of its
// credentials.
#pragma once

#include "daemon/authz/state.h"
#include "daemon/config/config.h"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace xk::verbs {

class ConfigSource {
  public:
    virtual ~ConfigSource() = default;
    // The configuration that counts now. The object never changes; after a reload another object counts.
    virtual std::shared_ptr<const config::Config> config() const = 0;
};

class CredentialStates {
  public:
    virtual ~CredentialStates() = default;
    // Returns the state by the credential's index in the configuration; all zero for a credential that never knocked.
    using ByIndex = std::function<authz::CredentialState(std::size_t credential)>;
    // Each call of the result reads the state anew, also after a reload.
    virtual ByIndex find_states(std::shared_ptr<const config::Config> config) = 0;
};

// Returns the indices of all credentials of a user ("anna"), or the index of one device ("anna/laptop").
std::vector<std::size_t> find_credentials(const authz::Policy& policy, const std::string& who);

// The files of users and credentials that have a fault. Their users are in no other list.
nlohmann::json disabled_json(const config::Config& config);

} // namespace xk::verbs
