// SPDX-License-Identifier: MIT
//
// The ruleset that a configuration asks for. NftRuleset adds the abilities of this kernel, and a panic.
#pragma once

#include "daemon/config/config.h"
#include "daemon/nft/ruleset.h"

namespace xk {

nft::RulesetSpec ruleset_of(const config::Config& config);

} // namespace xk
