// SPDX-License-Identifier: MIT
//
// What a user of users/*.yaml may: lifetimes, dates, hours, networks, binding, the throttle on his wrong codes.
#pragma once

#include "daemon/authz/policy.h"
#include "protocol/yaml/document.h"

#include <vector>

namespace xk::config {

// Faults go to the section's own.
void read_user_rules(yaml::Section& section, authz::Credential& rights);

// A list of at most `most` networks.
std::vector<Prefix> read_networks(yaml::Section& section, std::string_view key, std::size_t most,
                                  yaml::EmptyList empty = yaml::EmptyList::fault);

// A time that is more than none.
Result<std::chrono::seconds> parse_lifetime(std::string_view text);

// "2026-12-31" (that day's begin) or "2026-12-31T23:59:59Z", both UTC.
Result<WallTime> parse_date(std::string_view text);

// "mon-fri 08:00-18:00", "sat 22:00-02:00" (into Sunday), "sun": the spans of the week that it means.
Result<std::vector<authz::Hours::Span>> parse_hours(std::string_view text);

} // namespace xk::config
