// SPDX-License-Identifier: MIT
//
// Address: an IPv4 or IPv6 address as 16 bytes in network order, IPv4 in the form ::ffff:a.b.c.d
// (RFC 4291 section 2.5.5.2), so that one key type serves both families everywhere.
// Prefix: such an address and a length of 0 to 128 bits (IPv4: 96 + its own length).
#pragma once

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

#include <compare>
#include <functional>
#include <string>
#include <string_view>

struct sockaddr;
struct sockaddr_storage;

namespace xk {

struct Address {
    Bytes<16> bytes{};

    auto operator<=>(const Address&) const = default;

    static Address v4(const Bytes<4>& bytes);
    static Address v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
        return v4(Bytes<4>{a, b, c, d});
    }
    // Accepts exactly what inet_pton(3) accepts; no zone, no name, no v4-mapped text.
    static Result<Address> parse(std::string_view text);
    // The same, and v4-mapped text as the IPv4 address that it means: see Prefix::parse_logged().
    static Result<Address> parse_logged(std::string_view text);
    // Takes AF_INET or AF_INET6; any other family becomes the unspecified address "::".
    static Address of(const sockaddr& address);

    bool is_v4() const;
    // The last four bytes; meaningful where is_v4().
    Bytes<4> v4_bytes() const { return {bytes[12], bytes[13], bytes[14], bytes[15]}; }

    bool is_loopback() const;
    // A unicast address that a pinhole can be opened for: not loopback, link-local, unspecified, multicast, reserved
    // (240/4, 0/8) or an IPv4 address in an IPv6 form other than ::ffff/96.
    bool is_grantable() const;
    // Grantable, and not from a range that only has meaning inside one site (RFC 1918, RFC 6598
    // shared space, RFC 4193), so that a server elsewhere sees this very address.
    bool is_global() const;

    std::string text() const;

    // For connect(2) and bind(2). `port` in host order. Returns the length for the call.
    std::uint32_t to_sockaddr(sockaddr_storage& out, std::uint16_t port) const;
};

struct Prefix {
    Address address;         // host bits are zero
    std::uint8_t length = 0; // of the 16-byte form

    auto operator<=>(const Prefix&) const = default;

    // "192.0.2.0/24", "2001:db8::/32", or an address alone (its whole length). Host bits that are set are an error,
    // because they usually are a mistake of the operator.
    static Result<Prefix> parse(std::string_view text);
    static Prefix of(const Address& address) { return {address, 128}; }
    // The same, and v4-mapped text (::ffff:192.0.2.1, ::ffff:192.0.2.0/120), which means the IPv4 address or network.
    // Daemons with one socket for both families log it (RFC 4291 section 2.5.5.2).
    static Result<Prefix> parse_logged(std::string_view text);
    // The network of this length that the address is in.
    static Prefix around(const Address& address, unsigned length);

    bool is_v4() const { return length >= 96 && address.is_v4(); }
    bool is_single() const { return length == 128; }
    bool contains(const Address& other) const;
    bool contains(const Prefix& other) const {
        return is_v4() == other.is_v4() && length <= other.length && contains(other.address);
    }
    // The last address of the range.
    Address last() const;
    std::string text() const;
};

} // namespace xk

template <>
struct std::hash<xk::Address> {
    std::size_t operator()(const xk::Address& a) const noexcept {
        return std::hash<std::string_view>{}({reinterpret_cast<const char*>(a.bytes.data()), a.bytes.size()});
    }
};
