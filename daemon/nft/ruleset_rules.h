// SPDX-License-Identifier: MIT
//
// The chains of the table and their rules, in the order in which a packet meets them (ruleset.h).
//
//   early            raw, before connection tracking: drops SYNs that nothing grants
//   prerouting       mangle, where a packet arrives       -> begin (SYNs), gate (other packets without a session)
//                                                         -> decide
//   published_ports  nat: this host's ports that hosts behind it serve
//   closed           nat: for "stealth: closed"
//   input            last, where a packet is delivered    -> input_begin, input_gate -> delivered
//   forward          last, where a packet goes on         -> forward_begin, forward_gate -> forwarded
//
// Chains that they share: "allow" (gate.allow), "grants" and "forward_grants" (by the packet's own port), "asked" (by
// the port that was addressed before any translation), "granted" (remembers the packet's source and flow), "shut" and
// "refuse" (without a grant).
#pragma once

#include "daemon/nft/objects.h"
#include "daemon/nft/ruleset.h"

#include <string>
#include <vector>

namespace xk::nft {

// All chains that this spec wants.
std::vector<ChainSpec> chains_of(const RulesetSpec& spec);

// Sets that only rules use.
inline SetName protected_set() { return {kTable, "protected"}; }
inline SetName protected_targets_set(bool v4) { return {kTable, v4 ? "protected_targets4" : "protected_targets6"}; }
inline SetName connections_set(bool v4, bool forward) {
    return {kTable, std::string(forward ? "forward_connections" : "connections") + (v4 ? "4" : "6")};
}
// Sources that lately began something granted: their retransmitted SYNs are no flood. The packet path fills it.
inline SetName begun_set(bool v4) { return {kTable, v4 ? "begun4" : "begun6"}; }

// Appends all rules. The chains are empty and the sets are there.
void add_rules(Transaction& transaction, const RulesetSpec& spec);

} // namespace xk::nft
