// SPDX-License-Identifier: MIT
//
// Converts our values to and from the form that the maps hold (bpf/abi.h): addresses as 16 bytes in network order,
// times as nanoseconds of boot time.
#pragma once

#include "bpf/abi.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace xk::xdp {

inline xk_address abi(const Address& address) {
    xk_address out;
    static_assert(sizeof out.bytes == sizeof address.bytes);
    std::memcpy(out.bytes, address.bytes.data(), sizeof out.bytes);
    return out;
}

inline xk_prefix abi(const Prefix& prefix) { return {prefix.length, abi(prefix.address)}; }

inline Address address_of(const xk_address& from) {
    Address address;
    std::memcpy(address.bytes.data(), from.bytes, sizeof from.bytes);
    return address;
}

// A time before the boot becomes zero, which is over.
inline std::uint64_t boot_ns(BootTime t) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, t.time_since_epoch().count()));
}

inline BootTime boot_time(std::uint64_t ns) {
    return BootTime(std::chrono::nanoseconds(static_cast<std::int64_t>(ns)));
}

} // namespace xk::xdp
