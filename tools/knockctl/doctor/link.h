// SPDX-License-Identifier: MIT
//
// The properties of a network interface that matter to the filter and the ruleset.
#pragma once

#include <optional>
#include <string>

namespace xk::tools {

struct LinkState {
    std::optional<bool> native_xdp;   // unknown before Linux 6.3
    bool lro = false, gro_hw = false; // offloads that keep drivers from native XDP
};

// Returns nothing where there is no such interface.
std::optional<LinkState> link_state(const std::string& interface);

} // namespace xk::tools
