// SPDX-License-Identifier: MIT
//
// The ruleset: table "inet xknock". It only drops: an accept ends only its own chain, so the table never opens what the
// administrator's own rules close. Each packet is decided twice: where it arrives (prerouting, before DNAT, so that
// published container ports are covered), and where it is delivered (input) or goes on (forward). By then a redirect, a
// tunnel, a VRF or another routing table has done its work, and a packet for a protected port needs a grant for that
// port or for the port that it addressed first.
//
// The order: loopback passes; a banned source drops; sessions that exist pass; allowed networks pass; a grant passes; a
// packet to a protected port of this host, or of a host behind it, drops. With `silent_ports` a packet to one of them
// drops too, in whatever shape it came past the filter. ruleset_rules.h names the chains.
//
// Grants and bans are elements with a time-out: the kernel ends them, whether the daemon runs or not.
#pragma once

#include "daemon/nft/element.h"
#include "daemon/nft/pinhole_sets.h"
#include "daemon/nft/probe.h"
#include "daemon/nft/transaction.h"
#include "protocol/base/address.h"
#include "protocol/service.h"

#include <functional>
#include <optional>
#include <vector>

namespace xk::nft {

// Ports that are shut without a grant: of this host, or of the targets behind it. A target has one port, no range.
struct ProtectedPort {
    PortRange ports;
    Address target4, target6; // unspecified: none of this family
    // Sessions end with their grant (ended.h). Of UDP also a session that the service begins from its own port after
    // the grant's end, as WireGuard does: an answer to a packet of ours is then no reason to pass.
    bool cut = false;
    std::uint32_t max_connections = 0; // from one source; 0: any number. Not of ranges
    // Published port: packets to this host's port go to these addresses, at this port.
    Address to4, to6;
    std::uint16_t to_port = 0; // 0: not published

    bool is_local() const { return target4 == Address{} && target6 == Address{}; }
};

struct RulesetSpec {
    std::vector<ProtectedPort> protected_ports;
    std::vector<Prefix> allow;
    std::vector<std::uint16_t> silent_ports; // UDP
    bool closed = false; // protected ports of this host answer as closed ports do, instead of keeping silent
    bool resets = false; // packets of an ended TCP session are answered by a reset; needs can_reset()
    bool owned = false;  // only its owner may change or flush the table, which outlives its owner; needs can_own()

    std::vector<PortRange> ranges() const; // of more than one port
    bool has_targets() const;              // hosts behind this one
    bool has_limits() const;               // max_connections
    bool has_published_ports() const;
};

// Names of the sets of bans, one for each family.
inline SetName banned_set(bool v4) { return {kTable, v4 ? "banned4" : "banned6"}; }
inline SetName banned_networks_set(bool v4) { return {kTable, v4 ? "banned_networks4" : "banned_networks6"}; }

// Makes the table what the spec says, in one transaction, whether it exists or not. Live grants and bans stay. No
// packet meets a table without its rules: the chains stay hooked and their rules change at once. `more` adds elements
// of the table's sets that must count with the first packet; it may be called twice.
//
// A table of this name and another shape (of an older release) is made anew with the grants and bans of the old one. An
// Error means that the old table stands unchanged.
Result<void> install_ruleset(
    Socket& socket, const RulesetSpec& spec, const std::function<void(Transaction&)>& more = [](Transaction&) {});

// Whether the table is there.
Result<bool> ruleset_exists(Socket& socket);

// Deletes the table if it is there: the ports are then open again.
Result<void> remove_ruleset(Socket& socket);

// For gate.mode "external": whether the administrator's own set can take our grants (external_set.cpp). It must hold
// "ipv4_addr . inet_proto . inet_service" (or ipv6_addr), with flag timeout and without flag interval. The error's hint
// is the command that makes such a set.
Result<void> check_external_set(Socket& socket, const SetName& set, bool v4);

} // namespace xk::nft
