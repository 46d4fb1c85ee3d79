// SPDX-License-Identifier: MIT
//
// Text forms that several sections of the configuration share: dates, lifetimes, networks.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/base/duration.h"
#include "protocol/yaml/schema.h"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace xk::config {

// A duration above zero.
Result<std::chrono::seconds> parse_lifetime(std::string_view text);

// "2026-12-31" (the beginning of that day) or "2026-12-31T23:59:59Z", both in UTC; years 0000 to 9999.
Result<WallTime> parse_date(std::string_view text);
// parse_date() reads the text as the same second. Times outside of its years have no such text.
std::string date_text(WallTime date);

inline constexpr yaml::Form kLifetime{parse_lifetime, duration_text, yaml::Style::bare};
inline constexpr yaml::Form kDate{parse_date, date_text, yaml::Style::bare};
inline constexpr yaml::Form kNetwork{Prefix::parse, [](const Prefix& prefix) { return prefix.text(); },
                                     yaml::Style::text};

// A list of at most `most` networks.
std::vector<Prefix> read_networks(yaml::Section& section, std::string_view key, std::size_t most,
                                  yaml::EmptyList empty = yaml::EmptyList::fault);

// An absolute path.
Result<std::string> parse_path(std::string_view text);

} // namespace xk::config
