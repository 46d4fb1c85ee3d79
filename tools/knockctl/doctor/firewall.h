// SPDX-License-Identifier: MIT
//
// Follows the first packet of a connection to a service's port through the rules of nftables. It finds whether ours
// keep strangers out, whether other rules keep out those who have a grant, and which other ports the world reaches.
#pragma once

#include "daemon/config/config.h"
#include "tools/knockctl/doctor/finding.h"
#include "tools/knockctl/doctor/listeners.h"
#include "tools/knockctl/doctor/ruleset.h"

#include <set>
#include <vector>

namespace xk::tools {

struct Firewall {
    const config::Config& config;
    const Ruleset& ruleset;
    const std::set<Address>& own_addresses;
};

// Protected ports that strangers reach.
void check_ruleset(const Firewall& firewall, Findings& findings);

// Protected ports that other rules keep shut even for those with a grant.
void check_others(const Firewall& firewall, Findings& findings);

// Services without a listener, listeners without a service.
void check_listeners(const Firewall& firewall, const std::vector<Listener>& listeners, Findings& findings);

} // namespace xk::tools
