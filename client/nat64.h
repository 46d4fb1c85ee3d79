// SPDX-License-Identifier: MIT
//
// NAT64 (RFC 6146): in a network without IPv4 a server's IPv4 address has the form of an IPv6 one, and the server sees
// an address of the translator. The knock must then not name our own address.
#pragma once

#include "client/addresses.h"
#include "protocol/base/address.h"

#include <chrono>
#include <optional>
#include <vector>

namespace xk::client {

// The IPv4 address in an IPv6 one that has a prefix of 32, 40, 48, 56, 64 or 96 bits (RFC 6052, section 2.2). Nothing
// where the bits 64 to 71 or the suffix are not zero.
std::optional<Address> embedded_v4(const Address& six, unsigned prefix_length);

// Marks the IPv6 addresses that a NAT64 stands for: they are in 64:ff9b::/96 (RFC 6052) or 64:ff9b:1::/48 (RFC 8215),
// or have one of the host's IPv4 addresses in them, as a DNS64 makes them (RFC 6147).
void mark_nat64(std::vector<Place>& places);

// The network's prefixes, from the addresses of ipv4only.arpa (RFC 7050, section 3): those around 192.0.0.170 and .171.
std::vector<Prefix> nat64_prefixes(const std::vector<Address>& of_ipv4only);

// Asks the resolver for ipv4only.arpa. Waits at most so long; no prefix if there is no answer by then.
std::vector<Prefix> discover_nat64(std::chrono::milliseconds time);

} // namespace xk::client
