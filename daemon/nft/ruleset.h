// SPDX-License-Identifier: MIT
//
// The ruleset: table "inet xknock". It only ever drops: an accept ends only its own chain, so it never opens what the
// admin's own rules close. A packet is decided about where it arrives (prerouting, before DNAT: published container
// ports too) and once more where it is delivered (input) or goes on (forward): there a redirect, a tunnel, a VRF or
// another routing table has done what it does, and what comes to a protected port has to have a grant for it, or for
// the port that it addressed first.
//
//   loopback passes; a banned source drops; sessions that exist pass; allowed networks pass; a grant passes; a packet
//   to a protected port of this host, or of a host behind it, drops; with `silent_port` so does one to the knock port,
//   in whatever shape it came past the filter at the NIC. ruleset_rules.h names the chains.
//
// Grants and bans are timed elements: the kernel ends them, daemon or no daemon.
#pragma once

#include "daemon/nft/element.h"
#include "daemon/nft/pinhole_sets.h"
#include "daemon/nft/transaction.h"
#include "protocol/base/address.h"
#include "protocol/service.h"

#include <functional>
#include <optional>
#include <vector>

namespace xk::nft {

// Ports that are shut: of this host, or of the targets that are given (which are then one port each).
struct ProtectedPort {
    PortRange ports;
    Address target4, target6;
    // Sessions end with their grant: not only those that are there when it ends (ended.h), but, of UDP, also one that
    // the service begins by itself from its own port afterwards, as WireGuard does: what answers a packet of ours is no
    // session that exists.
    bool cut = false;
    std::uint32_t max_connections = 0; // from one source; 0: any number. Not of ranges
    // What comes to this host's port goes to these, at this port: 0 none.
    Address to4, to6;
    std::uint16_t to_port = 0;

    bool is_local() const { return target4 == Address{} && target6 == Address{}; }
};

struct RulesetSpec {
    std::vector<ProtectedPort> guards;
    std::vector<Prefix> allow;
    std::optional<std::uint16_t> silent_port; // UDP
    bool closed = false; // protected ports of this host answer as closed ones do, instead of keeping silent
    bool resets = false; // what an ended session goes on saying is reset: see can_reset() of ended.h
    bool owned = false;  // nobody else may change or flush it, and it outlives its owner: see can_own()

    std::vector<PortRange> ranges() const; // of more than one port
    bool has_targets() const;              // hosts behind this one
    bool has_limits() const;               // max_connections
    bool has_published_ports() const;
};

// Names of the sets of our table, one for each family where there are two.
inline SetName banned_set(bool v4) { return {kTable, v4 ? "banned4" : "banned6"}; }
inline SetName banned_networks_set(bool v4) { return {kTable, v4 ? "banned_networks4" : "banned_networks6"}; }

// Makes the table what the spec says, in one transaction, whether it exists or not; live grants and bans
// stay. No packet meets a table without its rules: the chain stays hooked and its rules change at once.
// A table of this name and another shape (an older release's, say) is made anew with the grants and bans
// of the old one. `more` adds what is to stand with it from the first packet on: elements of its sets.
Result<void> install_ruleset(
    Socket& socket, const RulesetSpec& spec, const std::function<void(Transaction&)>& more = [](Transaction&) {});

// Whether the kernel knows tables that belong to one netlink socket and outlive it (flags owner and persist,
// Linux 6.9). Tried, because versions say little.
bool can_own(Socket& socket);

// Whether the table is there.
Result<bool> ruleset_exists(Socket& socket);

// Takes the table away, if it is there: the ports are then open again.
Result<void> remove_ruleset(Socket& socket);

// For gate.mode "external": the admin's own set must hold "ipv4_addr . inet_proto . inet_service" (or
// ipv6_addr) with flag timeout and without flag interval. The error says how to make it.
Result<void> check_external_set(Socket& socket, const SetName& set, bool v4);

} // namespace xk::nft
