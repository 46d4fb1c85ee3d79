// SPDX-License-Identifier: MIT
//
// Makes the ruleset of a configuration. NftRuleset adds what depends on this kernel and on a panic.
#pragma once

#include "daemon/config/config.h"
#include "daemon/nft/ruleset.h"

namespace xk {

nft::RulesetSpec ruleset_of(const config::Config& config);

} // namespace xk
