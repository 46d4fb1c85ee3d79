// SPDX-License-Identifier: MIT
//
// Routes that deliver packets to this host outside the table of local addresses, and interfaces in
// VRFs.
#pragma once

#include "protocol/base/result.h"
#include "tools/knockctl/doctor/condition.h"

#include <cstdint>
#include <string>
#include <vector>

namespace xk::tools {

struct Routes {
    // Local addresses of a table that some rule of the host's looks into.
    struct Local {
        AddressRange to;
        std::uint32_t table = 0;
        std::string rule; // "fwmark 0x1", "from 198.51.100.0/24"; empty: all packets
    };
    // Packets that a route unpacks or gives another address, behind prerouting.
    struct Unpacked {
        AddressRange to;
        std::string how; // "seg6local"
    };
    struct Vrf {
        std::string interface, name;
    };
    std::vector<Local> locals;
    std::vector<Unpacked> unpacked;
    std::vector<Vrf> vrfs;
};

Result<Routes> read_routes();

} // namespace xk::tools
