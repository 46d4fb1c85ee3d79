// SPDX-License-Identifier: MIT
//
// The ways of knocking (docs/modes.md) that are open now, and for whom: a part of the status.
#pragma once

#include "daemon/config/config.h"
#include "daemon/verbs/sources.h"

#include <nlohmann/json.hpp>

#include <cstddef>

namespace xk::verbs {

// The status names so many devices of each mode. There may be thousands.
inline constexpr std::size_t kMostNamedDevices = 8;

// A list with one object for each open mode, in the order of authz::KnockMode. A mode is open if a device that may
// knock now has it, or if `legacy` has a port for it; packets always are.
nlohmann::json open_modes_json(const config::Config& config, const CredentialStates::ByIndex& state_of, const Now& now);

} // namespace xk::verbs
