// SPDX-License-Identifier: MIT
//
// The rules of the ruleset's chains, in the order in which a packet meets them (ruleset.h).
//
//   early        raw, before connection tracking: a SYN that nothing grants
//   prerouting   mangle: where it arrives          -> begin (SYNs), gate (the rest of what is no session) -> decide
//   published ports    nat: public ports of hosts behind this one
//   closed       nat: "stealth: closed"
//   input        last: where it is delivered          -> input_begin, input_gate -> delivered
//   forward      last: where it goes on            -> forward_begin, forward_gate -> forwarded
//
// What they share: "allow" (gate.allow), "grants" and "forward_grants" (by the packet's own port), "asked" (by the port
// that was addressed before any translation), "granted" (what there is to remember of it), "shut" and "refuse" (no
// grant).
#pragma once

#include "daemon/nft/ruleset.h"

namespace xk::nft {

// A chain of the table: hooked where `type` says so.
struct ChainSpec {
    const char* name;
    const char* type = nullptr; // "filter", "nat"; null: only reached from other chains
    std::uint32_t hook = 0;     // NF_INET_*
    std::int32_t priority = 0;
};

// All that this spec wants.
std::vector<ChainSpec> chains_of(const RulesetSpec& spec);

inline SetName protected_set() { return {kTable, "protected"}; }
inline SetName protected_targets_set(bool v4) { return {kTable, v4 ? "protected_targets4" : "protected_targets6"}; }
inline SetName connections_set(bool v4, bool forward) {
    return {kTable, std::string(forward ? "forward_connections" : "connections") + (v4 ? "4" : "6")};
}

// Sources that began something granted, for a while: their SYNs, said again, are no flood. The packet path fills it.
inline SetName begun_set(bool v4) { return {kTable, v4 ? "begun4" : "begun6"}; }

// The chains are empty and the sets are there.
void add_rules(Transaction& transaction, const RulesetSpec& spec);

} // namespace xk::nft
