// SPDX-License-Identifier: MIT
//
// The ruleset that a configuration asks for. What this kernel can do, and a panic, are added where it is installed.
#pragma once

#include "daemon/config/config.h"
#include "daemon/nft/ruleset.h"

namespace xk {

nft::RulesetSpec ruleset_of(const config::Config& config);

} // namespace xk
