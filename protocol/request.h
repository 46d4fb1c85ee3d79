// SPDX-License-Identifier: MIT
//
// Request: the fields of a knock. Only encode_request() and decode_request() know its 136 bytes (docs/protocol.md, "The
// request"). decode_request() is strict: it refuses everything that encode_request() cannot have written, with one
// reason for each kind of fault. So no two byte strings mean the same.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/seal.h"
#include "protocol/service.h"
#include "protocol/wire.h"

#include <chrono>
#include <cstdint>
#include <string_view>
#include <variant>

namespace xk {

inline constexpr std::uint8_t kVersion = 1;

enum class Action : std::uint8_t { open = 1, close = 2, close_all = 3, probe = 4 };
enum class FactorKind : std::uint8_t { none = 0, totp = 1, hmac = 2, ed25519 = 3, sk_ed25519 = 4, hotp = 5 };

// Whether the proof is the digits of a code, which a person may type.
constexpr bool has_codes(FactorKind factor) { return factor == FactorKind::totp || factor == FactorKind::hotp; }

enum class AddressMode : std::uint8_t {
    source = 0,   // the packet's source address
    bound = 1,    // the address in the request, which must equal the source
    delegated = 2 // the address in the request, which may differ
};

inline constexpr std::uint8_t kFlagSingleUse = 1;

struct Request {
    Action action = Action::open;
    FactorKind factor = FactorKind::none;
    AddressMode address_mode = AddressMode::source;
    bool single_use = false;
    Endpoint endpoint;          // none/0 where `service` is given
    std::uint32_t lifetime = 0; // seconds; 0 is the policy's default
    ServiceId service = 0;
    WallTime clock{}; // the client's
    Address address;  // all zero in mode `source`
    Address target;   // a host behind the server that `endpoint` is of; all zero: the server itself
    wire::RequestId id{};
    Bytes<wire::kProofSize> proof{};

    bool operator==(const Request&) const = default;
};

enum class RequestFault : std::uint8_t {
    version,
    action,
    factor,
    address_mode,
    protocol, // unknown, or none without a service id
    flags,
    port,    // 0 without a service id, or given together with one
    clock,   // beyond the range of WallTime
    address, // given in mode `source`, or missing, or not one that a pinhole can be opened for
    target,  // not a unicast address, or given together with a service id
};

std::string_view name_of(RequestFault fault);
std::string_view name_of(Action action);
std::string_view name_of(FactorKind factor);
// Accepts "totp", "hotp", "hmac" and "none", which are those that files may name.
Result<FactorKind> parse_factor_kind(std::string_view text);

// encode_request() checks nothing: the caller must have filled the request by the rules of decode_request().
RequestBytes encode_request(const Request& request);

std::variant<Request, RequestFault> decode_request(const RequestBytes& bytes);

} // namespace xk
