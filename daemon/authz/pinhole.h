// SPDX-License-Identifier: MIT
//
// Pinhole: the way that a grant opens, from one source address to one port (or range of ports) of this host or of a
// host behind it. A pinhole is one element of one nftables set.
#pragma once

#include "protocol/base/address.h"
#include "protocol/service.h"

#include <compare>
#include <string>

namespace xk::authz {

struct Pinhole {
    Address address;   // the source that may connect
    Address target;    // a host behind this one; unspecified ("::"): this host
    Endpoint endpoint; // of a range its first port; ranges of a configuration do not overlap

    auto operator<=>(const Pinhole&) const = default;
    bool is_local() const { return target == Address{}; }
};

} // namespace xk::authz
