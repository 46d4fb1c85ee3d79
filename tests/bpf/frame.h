// SPDX-License-Identifier: MIT
//
// Ethernet frames for the packet tables: built layer by layer, each field open to mischief.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/bytes.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace xk::test {

using Frame = std::vector<std::uint8_t>;

struct FrameSpec {
    Address source = Address::parse("192.0.2.7").value();
    Address destination = Address::parse("192.0.2.1").value();
    std::vector<std::uint16_t> vlans;       // ethertypes of the tags, outermost first
    std::vector<std::uint8_t> ipv4_options; // multiple of 4 bytes
    std::vector<std::uint8_t> ipv6_chain;   // extension headers, as raw bytes
    std::uint8_t ipv6_first = 17;           // next header of the fixed header
    std::uint8_t protocol = 17;             // IPv4
    std::uint16_t fragment = 0;             // IPv4 flags and offset
    std::uint16_t source_port = 40000;
    std::uint16_t destination_port = 62201;
    std::optional<std::uint8_t> tcp_flags; // a TCP header of 20 bytes instead of the UDP one
    std::vector<std::uint8_t> payload;
    std::optional<std::uint16_t> udp_length; // else what is true
    std::optional<std::uint16_t> ip_length;  // IPv4 total, IPv6 payload length
    std::uint8_t version = 0;                // else what is true
    std::size_t trailer = 0;                 // bytes behind the IP packet
};

constexpr std::uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16, kUrg = 32, kEce = 64, kCwr = 128;

// The same with TCP.
inline FrameSpec tcp(FrameSpec spec, std::uint8_t flags, std::uint16_t port = 22) {
    spec.protocol = spec.ipv6_first = 6;
    spec.tcp_flags = flags;
    spec.destination_port = port;
    spec.payload.clear();
    return spec;
}

inline void put16(Frame& f, std::uint16_t v) {
    f.push_back(static_cast<std::uint8_t>(v >> 8));
    f.push_back(static_cast<std::uint8_t>(v));
}

inline Frame build(const FrameSpec& s) {
    const bool v4 = s.destination.is_v4();
    Frame f = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
    for (const auto vlan : s.vlans) {
        put16(f, vlan);
        put16(f, 42);
    }
    const auto udp = static_cast<std::uint16_t>((s.tcp_flags ? 20 : 8) + s.payload.size());
    if (v4) {
        put16(f, 0x0800);
        const auto ihl = static_cast<std::uint8_t>(5 + s.ipv4_options.size() / 4);
        f.push_back(static_cast<std::uint8_t>((s.version ? s.version : 4) << 4 | ihl));
        f.push_back(0);
        put16(f, s.ip_length.value_or(static_cast<std::uint16_t>(4 * ihl + udp)));
        put16(f, 1);
        put16(f, s.fragment);
        f.push_back(64);
        f.push_back(s.protocol);
        put16(f, 0);
        for (const auto& a : {s.source, s.destination})
            f.insert(f.end(), a.bytes.begin() + 12, a.bytes.end());
        f.insert(f.end(), s.ipv4_options.begin(), s.ipv4_options.end());
    } else {
        put16(f, 0x86dd);
        f.push_back(static_cast<std::uint8_t>((s.version ? s.version : 6) << 4));
        f.insert(f.end(), 3, 0);
        put16(f, s.ip_length.value_or(static_cast<std::uint16_t>(s.ipv6_chain.size() + udp)));
        f.push_back(s.ipv6_first);
        f.push_back(64);
        for (const auto& a : {s.source, s.destination})
            f.insert(f.end(), a.bytes.begin(), a.bytes.end());
        f.insert(f.end(), s.ipv6_chain.begin(), s.ipv6_chain.end());
    }
    put16(f, s.source_port);
    put16(f, s.destination_port);
    if (s.tcp_flags) {
        f.insert(f.end(), {0, 0, 0, 1, 0, 0, 0, 0, 5 << 4, *s.tcp_flags, 0x20, 0, 0, 0, 0, 0}); // sequence number 1
    } else {
        put16(f, s.udp_length.value_or(udp));
        put16(f, 0);
    }
    f.insert(f.end(), s.payload.begin(), s.payload.end());
    f.insert(f.end(), s.trailer, 0);
    return f;
}

// The frame must have no VLAN tags.
inline Frame without_ethernet(const Frame& frame) { return {frame.begin() + 14, frame.end()}; }

} // namespace xk::test
