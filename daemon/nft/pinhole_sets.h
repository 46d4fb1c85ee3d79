// SPDX-License-Identifier: MIT
//
// Which set of the ruleset a pinhole is an element of, and under which key. One set for each shape and family, and one
// for each range of ports: an interval set would be copied whole with every grant.
//
//   grants4, grants6                      source . protocol . port            this host
//   once4, once6                          the same; the first connection takes the element away
//   forward4, forward6                    source . target . protocol . port   hosts behind this one, if there are any
//   forward_once4, forward_once6
//   grants4_tcp_27015_27030, ...          source                              a range of this host's ports
#pragma once

#include "daemon/authz/pinhole.h"
#include "daemon/nft/element.h"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace xk::nft {

inline constexpr const char* kTable = "xknock";

struct PinholeSet {
    SetName name;
    bool v4 = true;
    bool forward = false;
    bool once = false;
    std::optional<PortRange> range; // of this host only
};

// All of them: those of this host, of these ranges, and where wanted those of hosts behind it.
std::vector<PinholeSet> pinhole_sets(std::span<const PortRange> ranges, bool forward);

// The set of this pinhole; `range` where its endpoint is the begin of one.
PinholeSet set_of(const authz::Pinhole& pinhole, const std::optional<PortRange>& range, bool once);

std::vector<std::uint8_t> key_of(const PinholeSet& set, const authz::Pinhole& pinhole);
// Nothing where the key is not of the set's form.
std::optional<authz::Pinhole> pinhole_of(const PinholeSet& set, const std::vector<std::uint8_t>& key);

} // namespace xk::nft
