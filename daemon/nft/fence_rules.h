// SPDX-License-Identifier: MIT
//
// The rules of the fence's chains, in the order in which a packet meets them (fence.h).
#pragma once

#include "daemon/nft/fence.h"

namespace xk::nft {

inline constexpr const char* kFirstChain = "prerouting"; // filter, where packets come in
inline constexpr const char* kGateChain = "gate";        // for what is no session that exists
inline constexpr const char* kEntranceChain = "entrances"; // nat; only where the spec has them

inline SetName protected_set() { return {kTable, "protected"}; }
inline SetName protected_targets_set(bool v4) { return {kTable, v4 ? "protected_targets4" : "protected_targets6"}; }
inline SetName connections_set(bool v4, bool forward) {
    return {kTable, std::string(forward ? "forward_connections" : "connections") + (v4 ? "4" : "6")};
}

// The chains are empty and the sets are there.
void add_rules(Transaction& transaction, const FenceSpec& spec);

} // namespace xk::nft
