// SPDX-License-Identifier: MIT
//
// Decodes the packet of an unmodified capyknock client, in two steps: the envelope names the user, whose key opens the
// token. Whether the code, the target and the address are right is the caller's to judge. The token's time is not
// checked here, as the original does not check it: the code says when the knock was made.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/bytes.h"
#include "protocol/otp.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace xk::legacy {

inline constexpr std::size_t kMostCapyknock = 1472;     // bytes of a packet: one frame, because the filter sees no more
inline constexpr std::size_t kMostCapyknockName = 64;   // bytes; the original's generator makes 24
inline constexpr std::size_t kMostCapyknockPlain = 500; // characters, as the original counts them
inline constexpr std::size_t kCapyknockKey = 32;        // bytes: 16 for HMAC, 16 for AES
inline constexpr unsigned kCapyknockDigits = 6;

struct CapyknockEnvelope {
    std::string name; // of the user: printable ASCII without blanks
    std::string token;

    bool operator==(const CapyknockEnvelope&) const = default;
};

// The caller wipes it, because it carries a code.
struct CapyknockRequest {
    Proof code{};                   // digits, as totp_proof() has them; a number is padded with zeros
    std::optional<Address> address; // that the client asks for; none: the packet's source
    Address target;                 // has to be the user's
    std::uint16_t port = 0;         // likewise
    std::uint64_t token_time = 0;   // seconds since 1970, by the client's clock
    Bytes<32> replay_id{};          // SHA-256 of the token's bytes. The copies of a packet have the same

    bool operator==(const CapyknockRequest&) const = default;
};

// In the order of the checks. Behind `hmac` the packet is one of this user's.
enum class CapyknockFault : std::uint8_t {
    length,       // of the packet
    envelope,     // not a JSON object
    name,         // missing, or not a name. The packet that bans has none
    token,        // missing, not canonical base64url, or of a wrong size
    version,      // not Fernet
    hmac,         // not by this key
    decryption,   // wrong padding
    plain_length, // more than 500 characters
    plaintext,    // not a JSON object
    code,         // not 6 digits
    target,       // not an address
    port,         // not 1 to 65535
    address,      // missing, or neither empty nor an address
};
inline constexpr std::size_t kCapyknockFaults = 13;
std::string_view name_of(CapyknockFault fault);

std::variant<CapyknockEnvelope, CapyknockFault> read_capyknock_envelope(ByteView wire);

std::variant<CapyknockRequest, CapyknockFault> decode_capyknock(std::string_view token,
                                                                std::span<const std::uint8_t, kCapyknockKey> key);

} // namespace xk::legacy
