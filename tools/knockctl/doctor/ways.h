// SPDX-License-Identifier: MIT
//
// Ways that end at a protected port without beginning there: rules that translate, published ports,
// addresses that other routing tables deliver here, VRFs, IPVS, programs that choose the socket.
// The doctor names each of them and says whether it is shut to strangers.
#pragma once

#include "tools/knockctl/doctor/firewall.h"
#include "tools/knockctl/doctor/redirection.h"
#include "tools/knockctl/doctor/routes.h"

#include <string>
#include <vector>

namespace xk::tools {

// The ways that the kernel has beside nftables.
struct Ways {
    std::vector<Redirection> redirections;
    Routes routes;
    std::vector<std::string> socket_programs; // "somebody_else (link 7)"
    bool complete = true;                     // nothing was left out
};

// Reads them from the kernel.
Ways read_ways(const Ruleset& ruleset);

// /proc/net/ip_vs: virtual services and where they lead.
std::vector<Redirection> parse_ipvs(const std::string& text);

void check_ways(const Firewall& firewall, const Ways& ways, Findings& findings);

} // namespace xk::tools
