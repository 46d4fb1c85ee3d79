// SPDX-License-Identifier: MIT
//
// The sets of table "inet xknock": their types, sizes and flags, and the elements that the configuration alone decides.
#pragma once

#include "daemon/nft/objects.h"
#include "daemon/nft/pinhole_sets.h"
#include "daemon/nft/ruleset.h"

#include <vector>

namespace xk::nft {

// All that this spec wants.
std::vector<SetSpec> sets_of(const RulesetSpec& spec);

// One set of pinholes.
SetSpec pinhole_set_spec(const PinholeSet& set);

// Empties the sets of protected ports and writes those of the spec. The sets are there.
void write_protected_ports(Transaction& transaction, const RulesetSpec& spec);

} // namespace xk::nft
