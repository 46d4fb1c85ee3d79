// SPDX-License-Identifier: MIT
//
// The fence: table "inet xknock" with one chain that only ever drops. It is hooked into prerouting at
// priority -150, behind connection tracking and before DNAT, so that it covers published container
// ports and never opens what the admin's own rules close (an accept ends only this chain).
//
//   loopback passes; a banned source drops; sessions that exist pass; allowed networks pass; a grant
//   (source . protocol . port) passes; a packet for this host to a protected port drops; with `silent_port`
//   so does one to the knock port, in whatever shape it came past the filter at the NIC.
//
// Grants and bans are timed elements: the kernel ends them, daemon or no daemon.
#pragma once

#include "daemon/nft/element.h"
#include "daemon/nft/transaction.h"
#include "protocol/base/address.h"
#include "protocol/service.h"

#include <functional>
#include <optional>
#include <vector>

namespace xk::nft {

inline constexpr const char* kTable = "xknock";

struct FenceSpec {
    std::vector<Endpoint> protect;
    std::vector<Prefix> allow;
    std::optional<std::uint16_t> silent_port; // UDP
    bool owned = false; // nobody else may change or flush it, and it outlives its owner: see can_own()
};

// Names of the sets of our table, one for each family where there are two.
inline SetName grants_set(bool v4) { return {kTable, v4 ? "grants4" : "grants6"}; }
inline SetName banned_set(bool v4) { return {kTable, v4 ? "banned4" : "banned6"}; }
inline SetName banned_networks_set(bool v4) {
    return {kTable, v4 ? "banned_networks4" : "banned_networks6"};
}

// Makes the table what the spec says, in one transaction, whether it exists or not; live grants and bans
// stay. No packet meets a table without its rules: the chain stays hooked and its rules change at once.
// A table of this name and another shape (an older release's, say) is made anew with the grants and bans
// of the old one. `more` adds what is to stand with it from the first packet on: elements of its sets.
Result<void> install_fence(Socket& socket, const FenceSpec& spec,
                           const std::function<void(Transaction&)>& more = [](Transaction&) {});

// Whether the kernel knows tables that belong to one netlink socket and outlive it (flags owner and persist, Linux 6.9).
// Tried, because versions say little.
bool can_own(Socket& socket);

// Whether the table is there.
Result<bool> fence_exists(Socket& socket);

// Takes the table away, if it is there: the ports are then open again.
Result<void> remove_fence(Socket& socket);

// For gate.mode "external": the admin's own set must hold "ipv4_addr . inet_proto . inet_service" (or
// ipv6_addr) with flag timeout and without flag interval. The error says how to make it.
Result<void> check_external_set(Socket& socket, const SetName& set, bool v4);

} // namespace xk::nft
