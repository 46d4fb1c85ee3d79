// SPDX-License-Identifier: MIT
//
// Converts between the 136 bytes of a request and the 192 bytes of a packet. It knows keys and positions, and nothing
// of the request's content.
#pragma once

#include "protocol/keys.h"
#include "protocol/wire.h"

#include <optional>

namespace xk {

using RequestBytes = Bytes<wire::kRequestSize>;

// BLAKE2b-24(key = nonce key, 32 random bytes | time | request). It is unique as long as random bytes, clock or request
// differ, so a cloned VM does not repeat a nonce.
wire::Nonce hedged_nonce(const Key& nonce_key, WallTime now, const RequestBytes& request);

// Builds the packet for `slot`. The nonce must be hedged_nonce()'s; it is an argument because a
// factor's proof covers it and because vectors need fixed ones.
wire::Packet seal_packet(const CredentialKeys& keys, Slot slot, const wire::Nonce& nonce, const RequestBytes& request);

wire::Tag packet_tag(const wire::Packet& packet);
wire::Mac packet_mac(const wire::Packet& packet);
wire::Nonce packet_nonce(const wire::Packet& packet);

// SipHash-2-4 over bytes 16..191, as crypto_shorthash writes it (little-endian).
wire::Mac compute_mac(const Bytes<wire::kMacKeySize>& mac_key, const wire::Packet& packet);

// Compares in constant time.
bool mac_matches(const Bytes<wire::kMacKeySize>& mac_key, const wire::Packet& packet);

// Opens the box with the key of `slot`. Nothing when Poly1305 refuses. Does not check tag and MAC.
std::optional<RequestBytes> open_box(const Key& seal, Slot slot, const wire::Packet& packet);

} // namespace xk
