// SPDX-License-Identifier: MIT
//
// The host around xknock: its interfaces, clock, kernel switches, and files that lie where others can read them.
#pragma once

#include "daemon/config/config.h"
#include "tools/knockctl/doctor/finding.h"

#include <string>

namespace xk::tools {

// Examines the filter of each interface, its driver and its offloads. `started`: a filter must be there by now.
void check_interfaces(const config::Config& config, bool started, Findings& findings);

// Examines the wall clock, by which knocks are judged.
void check_clock(Findings& findings);

// Examines switches and tables of the kernel. `had_ruleset`: the ruleset has been up already.
void check_kernel(bool had_ruleset, Findings& findings);

// Looks for rules of iptables-legacy, which nft does not list.
void check_legacy_tables(Findings& findings);

// Looks for keys and profiles that others can read, beside the configuration and in homes.
void check_files(const config::Config& config, Findings& findings);

} // namespace xk::tools
