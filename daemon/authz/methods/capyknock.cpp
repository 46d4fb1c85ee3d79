// SPDX-License-Identifier: MIT
#include "daemon/authz/methods/capyknock.h"

#include "daemon/authz/methods/legacy.h"
#include "daemon/legacy/capyknock.h"

#include <string>
#include <unordered_map>

namespace xk::authz {
namespace {

static_assert(kMaxLegacyName == legacy::kMostCapyknockName);
static_assert(sizeof LegacySecret::key == legacy::kCapyknockKey);

// The original looks at the code alone to find out when a knock was made, and takes the code of its own half minute.
// Here the codes of both neighbours are good too. So the token's time may be wrong by just as much: by less than two
// half minutes, and it is in whole seconds.
constexpr std::chrono::seconds kCapyknockTolerance = 2 * kTotpPeriod + std::chrono::seconds(1);

// Behind the HMAC the packet is one of this user's.
Reject reject_of_capyknock(legacy::CapyknockFault fault) {
    using enum legacy::CapyknockFault;
    switch (fault) {
    case hmac:
        return Reject::mac;
    case decryption:
        return Reject::box;
    case code:
        return Reject::proof_form;
    case target:
        return Reject::target;
    case legacy::CapyknockFault::port:
        return Reject::port;
    case address:
        return Reject::address;
    case length:
    case envelope:
    case name:
    case token:
    case version:
    case plain_length:
    case plaintext:
        break;
    }
    return Reject::legacy_form;
}

class CapyknockMethod : public Method {
  public:
    explicit CapyknockMethod(const MethodParts& parts) : policy_(parts.policy), secrets_(parts.legacy) {
        for (std::uint32_t place = 0; place < policy_.credentials.size(); ++place)
            add_credential(place);
    }

    std::optional<Unproved> prove_record(const Record& record, const Now& now, Claim& claim) const override;
    void follow_clock(const Now&) override {}
    void remove_credential(std::uint32_t place) override {
        if (place >= policy_.credentials.size() || !is_of_kind(policy_.credentials[place], DeviceKind::capyknock))
            return;
        const auto found = places_.find(name_at(place));
        if (found != places_.end() && found->second == place)
            places_.erase(found);
    }
    void add_credential(std::uint32_t place) override {
        if (is_of_kind(policy_.credentials[place], DeviceKind::capyknock))
            places_.emplace(name_at(place), place);
    }

  private:
    std::string name_at(std::uint32_t place) const {
        return std::string(policy_.credentials[place].legacy.name_view());
    }
    Address target_of(const Credential& credential, const Address& source) const;

    const Policy& policy_;
    const LegacySecrets& secrets_;
    std::unordered_map<std::string, std::uint32_t> places_; // by the name in the packets
};

// A target behind this host is a part of the pinhole; one of this host's own addresses is not.
Address CapyknockMethod::target_of(const Credential& credential, const Address& source) const {
    const Pinhole behind{source, credential.legacy.target, {IpProtocol::tcp, credential.legacy.port}};
    return find_targets(policy_, credential, {0, behind}).empty() ? Address{} : behind.target;
}

std::optional<Unproved> CapyknockMethod::prove_record(const Record& record, const Now& now, Claim& claim) const {
    // 1. The name finds the credential, and its key opens the token.
    const auto envelope = legacy::read_capyknock_envelope(bytes_of(record));
    if (const auto* fault = std::get_if<legacy::CapyknockFault>(&envelope))
        return Unproved{reject_of_capyknock(*fault), std::nullopt};
    const auto& [name, token] = std::get<legacy::CapyknockEnvelope>(envelope);
    const auto found = places_.find(name);
    if (found == places_.end())
        return Unproved{Reject::tag, std::nullopt};
    const std::uint32_t place = found->second;
    const Credential& credential = policy_.credentials[place];
    const LegacySecret* const secret = secrets_.find(place);
    if (secret == nullptr)
        return Unproved{Reject::mac, std::nullopt};

    // 2 and 3. The token, and what is in it.
    auto decoded = legacy::decode_capyknock(token, secret->key);
    if (const auto* fault = std::get_if<legacy::CapyknockFault>(&decoded)) {
        const bool is_theirs = *fault > legacy::CapyknockFault::hmac;
        return Unproved{reject_of_capyknock(*fault), is_theirs ? std::optional(place) : std::nullopt};
    }
    auto& request = std::get<legacy::CapyknockRequest>(decoded);
    const Wiped wiped_code(request.code);
    if (request.target != credential.legacy.target)
        return Unproved{Reject::target, place};
    if (request.port != credential.legacy.port)
        return Unproved{Reject::port, place};
    // Seconds that do not fit are not of our time.
    constexpr std::uint64_t kMostSeconds = std::uint64_t{1} << 40;
    if (request.token_time > kMostSeconds)
        return Unproved{Reject::clock, place};

    const WallTime made(std::chrono::seconds(request.token_time));
    claim.credential = place;
    claim.slot = slot_made(made, now.wall_at(record.arrived), policy_.settings.skew);
    claim.replay.add(key_of_packet(credential.id, request.replay_id));
    claim.has_copies = true;
    claim.freshness = {made, kCapyknockTolerance};
    claim.evidence.kind = FactorKind::totp;
    claim.evidence.proof = request.code;
    put_address(claim.wanted, request.address, record.source);
    claim.wanted.endpoint = {IpProtocol::tcp, request.port};
    claim.wanted.target = target_of(credential, record.source);
    return std::nullopt;
}

} // namespace

std::unique_ptr<Method> make_capyknock_method(const MethodParts& parts) {
    return std::make_unique<CapyknockMethod>(parts);
}

} // namespace xk::authz
