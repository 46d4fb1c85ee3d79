// SPDX-License-Identifier: MIT
//
// Tuple: addresses, protocol and ports of a packet, as connection tracking calls it. A session has two of them, one for
// each direction. They are not each other's reverse where an address or a port is translated on the way.
#pragma once

#include "protocol/base/address.h"
#include "protocol/service.h"

#include <compare>

namespace xk::nft {

struct Tuple {
    IpProtocol protocol = IpProtocol::tcp;
    Address source, target;
    std::uint16_t source_port = 0, target_port = 0; // host byte order

    auto operator<=>(const Tuple&) const = default;
    Tuple reversed() const { return {protocol, target, source, target_port, source_port}; }
};

} // namespace xk::nft
