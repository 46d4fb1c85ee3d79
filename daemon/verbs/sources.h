// SPDX-License-Identifier: MIT
//
// What several groups of verbs read: the configuration that counts, and what judgement remembers of its credentials.
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
    // The one that counts now. It stays what it is for whoever holds it; after a reload another one counts.
    virtual std::shared_ptr<const config::Config> config() const = 0;
};

class CredentialStates {
  public:
    virtual ~CredentialStates() = default;
    // By index of a credential of this configuration; all zero for one that never knocked.
    using ByIndex = std::function<authz::CredentialState(std::size_t credential)>;
    // Each call of the result reads what is remembered by then, also after a reload.
    virtual ByIndex find_states(std::shared_ptr<const config::Config> config) = 0;
};

// Indices of the credentials of "anna", or of "anna/laptop" alone.
std::vector<std::size_t> find_credentials(const authz::Policy& policy, const std::string& who);

// Files of users and credentials with a fault; whom they describe is in no other list.
nlohmann::json disabled_json(const config::Config& config);

} // namespace xk::verbs
