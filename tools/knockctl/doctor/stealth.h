// SPDX-License-Identifier: MIT
//
// Compares the answers of this host's other closed ports with those of the ports that xknock shuts.
#pragma once

#include "tools/knockctl/doctor/firewall.h"
#include "tools/knockctl/doctor/listeners.h"

#include <vector>

namespace xk::tools {

// How this host answers packets to a port that nobody listens on.
struct Answers {
    bool none = false;    // some rule drops them
    bool closed = false;  // the answer of a closed port: TCP reset, ICMP port unreachable
    bool another = false; // a rule refuses them in another way

    bool operator==(const Answers&) const = default;
};
Answers answers_of_closed_ports(const Firewall& firewall, const std::vector<Listener>& listeners, IpProtocol protocol);

void check_stealth(const Firewall& firewall, const std::vector<Listener>& listeners, Findings& findings);

} // namespace xk::tools
