// SPDX-License-Identifier: MIT
//
// What a knock can ask for: a transport protocol and a port, or the id of a service that the server
// names in its configuration.
#pragma once

#include "protocol/base/result.h"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace xk {

enum class IpProtocol : std::uint8_t { none = 0, tcp = 6, udp = 17, sctp = 132 }; // IANA numbers

struct Endpoint {
    IpProtocol protocol = IpProtocol::none;
    std::uint16_t port = 0; // host order

    auto operator<=>(const Endpoint&) const = default;

    // "tcp/22", "udp/51820", "sctp/5000".
    static Result<Endpoint> parse(std::string_view text);
    std::string text() const;
};

std::string_view name_of(IpProtocol protocol);

// The wire id of a service name: the first four bytes, big-endian, of BLAKE2b-32 over
// "xknock/1 service " and the name; 1 where that is 0. So a client knows the id from the name alone; a
// server refuses a configuration in which two names meet in one id.
using ServiceId = std::uint32_t;
ServiceId service_id(std::string_view name);

} // namespace xk
