// SPDX-License-Identifier: MIT
//
// The host around xknock: its interfaces, clock, kernel switches, and files that lie where others can read them.
#pragma once

#include "daemon/config/config.h"
#include "tools/knockctl/doctor/finding.h"

#include <string>

namespace xk::tools {

// The filter of each interface, and what its driver and its place in the network do to it. `started`: a filter is
// wanted there by now.
void check_interfaces(const config::Config& config, bool started, Findings& findings);

// The wall clock is what knocks are judged by.
void check_clock(Findings& findings);

// Switches and tables of the kernel. `had_ruleset`: the ruleset has been up already.
void check_kernel(bool had_ruleset, Findings& findings);

// Rules of the old iptables, which nft does not list.
void check_legacy_tables(Findings& findings);

// Keys of the configuration, and profiles of clients that were left beside it or in somebody's home.
void check_files(const config::Config& config, Findings& findings);

} // namespace xk::tools
