// SPDX-License-Identifier: MIT
//
// Networks of containers and virtual machines on bridges of this host. Their guests are strangers to xknock, which
// surprises most people who run them.
#pragma once

#include "daemon/config/config.h"
#include "tools/knockctl/doctor/finding.h"

#include <string>
#include <vector>

namespace xk::tools {

struct BridgeNetwork {
    std::string bridge;
    Prefix network;
    bool is_outside; // the bridge, or a port of it, is one of the configuration's interfaces
};

// Reports the networks of guests and containers that gate.allow does not let in.
void check_bridges(const config::Config& config, const std::vector<BridgeNetwork>& networks, Findings& findings);

// The networks of this network namespace's bridges; link-local ones are left out.
std::vector<BridgeNetwork> read_bridges(const config::Config& config);

} // namespace xk::tools
