// SPDX-License-Identifier: MIT
//
// Pinhole: what a grant opens. From one source address to one port, or one range of ports, of this host or of a host
// behind it. A pinhole is one element of one nftables set.
#pragma once

#include "protocol/base/address.h"
#include "protocol/service.h"

#include <compare>
#include <string>

namespace xk::authz {

struct Pinhole {
    Address address;   // who may come
    Address target;    // a host behind this one; unspecified ("::"): this host
    Endpoint endpoint; // of a range: its first port; no two ranges of the configuration meet

    auto operator<=>(const Pinhole&) const = default;
    bool is_local() const { return target == Address{}; }
};

} // namespace xk::authz
