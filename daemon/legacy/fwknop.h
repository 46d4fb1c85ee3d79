// SPDX-License-Identifier: MIT
//
// Decodes the packet of an unmodified fwknop client (Rijndael with HMAC). It finds out what the packet says and that
// one pair of keys made it. Age, replay, rights and the search for the user are the caller's.
#pragma once

#include "daemon/legacy/libcrypto.h"
#include "protocol/base/address.h"
#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "protocol/service.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace xk::legacy {

inline constexpr std::size_t kFewestFwknop = 140, kMostFwknop = 1500; // bytes of a packet
inline constexpr std::size_t kMostFwknopKey = 32, kMostFwknopHmacKey = 128;
// The message has up to 192 bytes, of which "0.0.0.0" takes 7 and each ",tcp/1" takes 6.
inline constexpr std::size_t kMostFwknopEndpoints = 30;
inline constexpr std::uint32_t kMostFwknopTimeout = 65536; // seconds

// The keys of one user. They are the caller's memory.
struct FwknopKeys {
    ByteView encryption; // 1 to 32 bytes: KEY as it is, or KEY_BASE64 decoded
    ByteView hmac;       // 1 to 128 bytes. A user without it is refused, because then everybody can make packets
    Hash hmac_hash = Hash::sha256;
};

struct FwknopPacket {
    std::optional<Address> address; // none: the packet's source, which the client writes as 0.0.0.0
    std::array<Endpoint, kMostFwknopEndpoints> endpoint_list{};
    std::size_t endpoint_count = 0; // at least 1
    WallTime made{};                // by the client's clock
    std::uint32_t timeout = 0;      // seconds; 0: none was asked for
    std::string user;               // as the client names it; the keys say who it is
    Bytes<32> replay_id{};          // SHA-256 of the packet: it has no second form

    std::span<const Endpoint> endpoints() const { return {endpoint_list.data(), endpoint_count}; }
    bool operator==(const FwknopPacket&) const = default;
};

// In the order of the checks. Behind `hmac` the packet is one of this user's.
enum class FwknopFault : std::uint8_t {
    keys,             // of a size that fwknop does not allow, or missing
    length,           // of the packet
    alphabet,         // a character that is not one of base64
    prefix,           // the packet has its first ten characters, or does not go on behind them
    unavailable,      // libcrypto fails
    hmac,             // not by these keys
    encoding,         // the ciphertext is not in canonical base64
    blocks,           // the ciphertext is not salt and whole blocks
    decryption,       // wrong padding: another key
    digest,           // of the plaintext
    fields,           // too few or too many
    random,           // not 16 digits
    user,             // not a name
    time,             // not a number of up to 12 digits
    version,          // not 1 to 8 characters
    type,             // not one of fwknop's
    unsupported_type, // a command, or NAT
    server_auth,      // a field that nobody checks
    timeout,          // missing, or not 0 to 65536
    message,          // not in canonical base64, or without endpoint
    address,          // not IPv4
    endpoint,         // not tcp or udp with a port
};
inline constexpr std::size_t kFwknopFaults = 22;
std::string_view name_of(FwknopFault fault);

std::variant<FwknopPacket, FwknopFault> decode_fwknop(ByteView wire, const FwknopKeys& keys);

} // namespace xk::legacy
