// SPDX-License-Identifier: MIT
//
// What a command of a firewall opens: knockd runs such commands.
#pragma once

#include "protocol/service.h"

#include <string_view>
#include <vector>

namespace xk::tools::takeover {

struct OpenedPorts {
    std::vector<PortRange> ports;
    bool closes = false;         // a part of it takes a rule away
    bool has_unknown = false;    // a part of it is none of these commands, or opens something else than ports here
    bool is_for_anybody = false; // it names no source
};

// Commands of iptables, ip6tables, nft, ufw and firewall-cmd, alone or several in one line.
OpenedPorts opened_by(std::string_view command);

} // namespace xk::tools::takeover
