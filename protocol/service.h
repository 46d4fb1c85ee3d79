// SPDX-License-Identifier: MIT
//
// The target of a knock: a transport protocol and a port, or the id of a service that the server names in its
// configuration.
#pragma once

#include "protocol/base/address.h"
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
// Whether it has one of these values. One that comes from a message or a file may have another.
bool is_known(IpProtocol protocol);

// Ports first to last of one protocol; mostly one port.
struct PortRange {
    IpProtocol protocol = IpProtocol::none;
    std::uint16_t first = 0, last = 0; // host order, first <= last

    auto operator<=>(const PortRange&) const = default;

    static PortRange of(const Endpoint& endpoint) { return {endpoint.protocol, endpoint.port, endpoint.port}; }
    // Reads and writes an Endpoint's text, or a range: "tcp/27015-27030".
    static Result<PortRange> parse(std::string_view text);
    std::string text() const;

    bool is_single() const { return first == last; }
    Endpoint begin() const { return {protocol, first}; }
    bool has(const Endpoint& e) const { return e.protocol == protocol && first <= e.port && e.port <= last; }
    bool meets(const PortRange& other) const {
        return other.protocol == protocol && first <= other.last && other.first <= last;
    }
};

// This name means every service that the user may use.
inline constexpr std::string_view kAllServices = "all";

// The wire id of a service name: the first four bytes, big-endian, of BLAKE2b-32 over
// "xknock/1 service " and the name; 1 where that is 0. So a client needs only the name to know the id. A server refuses
// a configuration in which two names have the same id.
using ServiceId = std::uint32_t;
ServiceId service_id(std::string_view name);

// A service as people write it: its name, "tcp/22", or "tcp/22@198.51.100.7" for a host behind the server.
struct ServiceSpec {
    ServiceId service = 0; // 0: by endpoint and target
    Endpoint endpoint;
    Address target; // unspecified: the server itself
};
Result<ServiceSpec> parse_service_spec(std::string_view text);

} // namespace xk
