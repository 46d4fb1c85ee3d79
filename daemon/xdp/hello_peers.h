// SPDX-License-Identifier: MIT
//
// The sources of authentic hellos, as the filter saw them (bpf/abi.h, "hello_peers").
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/clock.h"

#include <chrono>
#include <cstdint>

namespace xk::xdp {

class Filter;

// A hello may wait so long for its answer.
inline constexpr std::chrono::seconds kPeerLife{15};

// Whether an authentic hello came from there to there within kPeerLife before `now`, and was not taken yet. It is taken
// with this call. `port` is the source's.
bool take_peer(Filter& filter, const Address& source, const Address& destination, std::uint16_t port, BootTime now);

} // namespace xk::xdp
