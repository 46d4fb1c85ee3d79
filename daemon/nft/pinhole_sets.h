// SPDX-License-Identifier: MIT
//
// Maps each pinhole to a set of the ruleset and a key in it. There is one set for each shape and family, and one for
// each range of ports: the kernel would copy an interval set whole with every grant.
//
//   grants4, grants6                      source . protocol . port            this host
//   once4, once6                          the same, single use: the first connection deletes the element
//   forward4, forward6                    source . target . protocol . port   hosts behind this one, if there are any
//   forward_once4, forward_once6          the same, single use
//   grants4_tcp_27015_27030, ...          source                              a range of this host's ports
//
// The names stay from release to release: a new daemon finds the grants of the old one by them.
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
    SetName name{};
    bool v4 = true;
    bool forward = false;
    bool single_use = false;
    std::optional<PortRange> range{}; // of this host only
};

// All of them: of this host, of these ranges, and with `forward` of hosts behind this one.
std::vector<PinholeSet> pinhole_sets(std::span<const PortRange> ranges, bool forward);

// The set of grants4 and its like: one port, any number of connections.
PinholeSet plain_set(bool v4, bool forward);

// The set of this pinhole. `range`: its endpoint stands for these ports; such a grant is never single use, because the
// element names no port.
PinholeSet set_of(const authz::Pinhole& pinhole, const std::optional<PortRange>& range, bool single_use);

std::vector<std::uint8_t> key_of(const PinholeSet& set, const authz::Pinhole& pinhole);
// Nothing where the key is not of the set's form.
std::optional<authz::Pinhole> pinhole_of(const PinholeSet& set, const std::vector<std::uint8_t>& key);

} // namespace xk::nft
