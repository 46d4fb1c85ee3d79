// SPDX-License-Identifier: MIT
//
// The ways of knocking (docs/modes.md) that are open now, and for whom: a part of the status.
#pragma once

#include "daemon/config/config.h"
#include "daemon/verbs/sources.h"

#include <nlohmann/json.hpp>

#include <array>
#include <cstddef>

namespace xk::verbs {

// The status names so many devices of each mode. There may be thousands.
inline constexpr std::size_t kMostNamedDevices = 8;

// Counts the devices of each mode, one call of count() for each device of the configuration.
class OpenModes {
  public:
    void count(const authz::Credential& credential, const authz::CredentialState& state, const Now& now);

    // A list with one object for each open mode, in the order of authz::KnockMode. A mode is open if a device that may
    // knock now has it, or if `legacy` has a port for it; packets always are.
    nlohmann::json list(const config::Config& config) const;

  private:
    struct Devices {
        std::size_t all = 0, now = 0;                   // that have the mode; of these, those that may knock now
        nlohmann::json named = nlohmann::json::array(); // the first of those that may knock now
    };
    std::array<Devices, authz::kKnockModes> modes_;
};

} // namespace xk::verbs
