// SPDX-License-Identifier: MIT
#include "protocol/request.h"

#include "protocol/base/quote.h"
#include "protocol/secret.h"

#include <algorithm>

namespace xk {
namespace {

// Offsets of docs/protocol.md, "The request".
constexpr std::size_t kVersionAt = 0, kActionAt = 1, kFactorAt = 2, kModeAt = 3, kProtocolAt = 4, kFlagsAt = 5,
                      kPortAt = 6, kLifetimeAt = 8, kServiceAt = 12, kClockAt = 16, kAddressAt = 24, kIdAt = 40,
                      kTargetAt = 56, kProofAt = wire::kSignedSize;

// Microseconds that still fit WallTime with room for arithmetic: the year 9999 is far below.
constexpr std::uint64_t kClockLimit = 1ull << 62;

bool is_one_of(std::uint8_t value, std::uint8_t first, std::uint8_t last) { return value >= first && value <= last; }

// close_all and probe name a service too, although it means nothing for them. So the rules of the fields are the same
// for every action, and nothing must be inferred.
std::optional<RequestFault> check_endpoint(std::uint8_t protocol, std::uint16_t port, ServiceId service) {
    if (service != 0) {
        if (protocol != 0)
            return RequestFault::protocol;
        return port != 0 ? std::optional(RequestFault::port) : std::nullopt;
    }
    if (protocol == 0 || !is_known(static_cast<IpProtocol>(protocol)))
        return RequestFault::protocol;
    return port == 0 ? std::optional(RequestFault::port) : std::nullopt;
}

bool address_fits(const Request& r) {
    if (r.address_mode == AddressMode::source)
        return all_zero(r.address.bytes);
    return r.address.is_grantable();
}

} // namespace

std::string_view name_of(RequestFault fault) {
    switch (fault) {
    case RequestFault::version:
        return "version";
    case RequestFault::action:
        return "action";
    case RequestFault::factor:
        return "factor";
    case RequestFault::address_mode:
        return "address-mode";
    case RequestFault::protocol:
        return "protocol";
    case RequestFault::flags:
        return "flags";
    case RequestFault::port:
        return "port";
    case RequestFault::clock:
        return "clock";
    case RequestFault::address:
        return "address";
    case RequestFault::target:
        return "target";
    }
    return "?";
}

std::string_view name_of(Action action) {
    switch (action) {
    case Action::open:
        return "open";
    case Action::close:
        return "close";
    case Action::close_all:
        return "close-all";
    case Action::probe:
        return "probe";
    }
    return "?";
}

std::string_view name_of(FactorKind factor) {
    switch (factor) {
    case FactorKind::none:
        return "none";
    case FactorKind::totp:
        return "totp";
    case FactorKind::hmac:
        return "hmac";
    case FactorKind::ed25519:
        return "ed25519";
    case FactorKind::sk_ed25519:
        return "sk-ed25519";
    case FactorKind::hotp:
        return "hotp";
    }
    return "?";
}

Result<FactorKind> parse_factor_kind(std::string_view text) {
    for (const auto kind : {FactorKind::none, FactorKind::totp, FactorKind::hotp, FactorKind::hmac})
        if (text == name_of(kind))
            return kind;
    return Error{in_quotes(text) + " is not a second factor", "write totp, hotp, hmac or none"};
}

RequestBytes encode_request(const Request& r) {
    RequestBytes bytes{};
    const std::span<std::uint8_t, wire::kRequestSize> to(bytes);
    bytes[kVersionAt] = kVersion;
    bytes[kActionAt] = static_cast<std::uint8_t>(r.action);
    bytes[kFactorAt] = static_cast<std::uint8_t>(r.factor);
    bytes[kModeAt] = static_cast<std::uint8_t>(r.address_mode);
    bytes[kProtocolAt] = static_cast<std::uint8_t>(r.endpoint.protocol);
    bytes[kFlagsAt] = r.single_use ? kFlagSingleUse : 0;
    store_be<std::uint16_t>(field<kPortAt, 2>(to), r.endpoint.port);
    store_be<std::uint32_t>(field<kLifetimeAt, 4>(to), r.lifetime);
    store_be<std::uint32_t>(field<kServiceAt, 4>(to), r.service);
    store_be<std::uint64_t>(field<kClockAt, 8>(to), static_cast<std::uint64_t>(r.clock.time_since_epoch().count()));
    std::ranges::copy(r.address.bytes, bytes.begin() + kAddressAt);
    std::ranges::copy(r.id, bytes.begin() + kIdAt);
    std::ranges::copy(r.target.bytes, bytes.begin() + kTargetAt);
    std::ranges::copy(r.proof, bytes.begin() + kProofAt);
    return bytes;
}

std::variant<Request, RequestFault> decode_request(const RequestBytes& bytes) {
    const std::span<const std::uint8_t, wire::kRequestSize> from(bytes);
    if (bytes[kVersionAt] != kVersion)
        return RequestFault::version;
    if (!is_one_of(bytes[kActionAt], 1, 4))
        return RequestFault::action;
    if (!is_one_of(bytes[kFactorAt], 0, 5))
        return RequestFault::factor;
    if (!is_one_of(bytes[kModeAt], 0, 2))
        return RequestFault::address_mode;
    if ((bytes[kFlagsAt] & ~kFlagSingleUse) != 0)
        return RequestFault::flags;

    Request r;
    const Wiped wiped(r.proof); // the caller gets a copy
    r.action = static_cast<Action>(bytes[kActionAt]);
    r.factor = static_cast<FactorKind>(bytes[kFactorAt]);
    r.address_mode = static_cast<AddressMode>(bytes[kModeAt]);
    r.single_use = bytes[kFlagsAt] == kFlagSingleUse;
    r.endpoint.port = load_be<std::uint16_t>(field<kPortAt, 2>(from));
    r.lifetime = load_be<std::uint32_t>(field<kLifetimeAt, 4>(from));
    r.service = load_be<std::uint32_t>(field<kServiceAt, 4>(from));
    if (const auto fault = check_endpoint(bytes[kProtocolAt], r.endpoint.port, r.service))
        return *fault;
    r.endpoint.protocol = static_cast<IpProtocol>(bytes[kProtocolAt]);

    const auto clock = load_be<std::uint64_t>(field<kClockAt, 8>(from));
    if (clock >= kClockLimit)
        return RequestFault::clock;
    r.clock = WallTime(std::chrono::microseconds(static_cast<std::int64_t>(clock)));

    std::ranges::copy(field<kAddressAt, 16>(from), r.address.bytes.begin());
    if (!address_fits(r))
        return RequestFault::address;
    std::ranges::copy(field<kIdAt, wire::kRequestIdSize>(from), r.id.begin());
    std::ranges::copy(field<kTargetAt, 16>(from), r.target.bytes.begin());
    if (!all_zero(r.target.bytes) && (r.service != 0 || !r.target.is_grantable()))
        return RequestFault::target;
    std::ranges::copy(field<kProofAt, wire::kProofSize>(from), r.proof.begin());
    return r;
}

} // namespace xk
