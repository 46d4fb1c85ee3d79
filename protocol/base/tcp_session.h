// SPDX-License-Identifier: MIT
//
// TcpSession: one TCP session of this host, by its ends.
#pragma once

#include "protocol/base/address.h"

#include <cstdint>

namespace xk {

struct TcpSession {
    Address remote;
    std::uint16_t remote_port = 0;
    Address local;
    std::uint16_t local_port = 0;
    bool operator==(const TcpSession&) const = default;
};

} // namespace xk
