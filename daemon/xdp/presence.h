// SPDX-License-Identifier: MIT
//
// What sits at the XDP hook of an interface, for whoever only looks.
#pragma once

#include "daemon/xdp/filter.h"

#include <cstdint>
#include <string>

namespace xk::xdp {

struct Presence {
    std::uint32_t program = 0; // its id; 0: nothing is attached
    Mode mode = Mode::none;
    bool ours = false; // it is what the link pinned below `pins` runs
    std::string name;  // of the program
};

// Needs CAP_BPF, CAP_NET_ADMIN and, for the name, CAP_SYS_ADMIN. An interface that is not there is an error.
Result<Presence> look(const std::string& interface, const std::string& pins);

} // namespace xk::xdp
