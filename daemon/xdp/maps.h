// SPDX-License-Identifier: MIT
//
// Writes the filter's small maps and reads its counters, for the privileged process. Tags are in tags.h, bans in
// ban_filter.h, protected ports in syn_guard.h. A failure is an Error and leaves the map as it was for that key.
#pragma once

#include "bpf/abi.h"
#include "protocol/base/address.h"
#include "protocol/base/result.h"

#include <array>
#include <cstdint>
#include <set>
#include <string_view>
#include <vector>

namespace xk::xdp {

class Filter;

// Sets or clears the disabled flag of credentials 0 .. disabled.size() - 1 and sets it for all indices behind
// them.
Result<void> set_disabled(Filter& filter, const std::vector<bool>& disabled);

// Sets or clears the disabled flag of these credentials, and of no others.
Result<void> set_disabled(Filter& filter, const std::vector<bool>& disabled, const std::set<std::uint32_t>& which);

// Makes the map of our own addresses equal to the set.
Result<void> set_local_addresses(Filter& filter, const std::set<Address>& addresses);

// Whether this host forwards. Then packets to the knock port that are no knock go on to nftables, because they may
// answer a forwarded flow.
Result<void> set_forwarding(Filter& filter, bool forwards);

using Counters = std::array<std::uint64_t, XK_COUNTERS>; // summed over the CPUs
Result<Counters> read_counters(Filter& filter);
std::string_view counter_name(int counter);

} // namespace xk::xdp
