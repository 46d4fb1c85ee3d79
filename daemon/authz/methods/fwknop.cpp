// SPDX-License-Identifier: MIT
#include "daemon/authz/methods/fwknop.h"

#include "daemon/authz/methods/legacy.h"
#include "daemon/legacy/fwknop.h"

#include <vector>

namespace xk::authz {
namespace {

static_assert(sizeof LegacySecret::key == legacy::kMostFwknopKey);
static_assert(sizeof LegacySecret::hmac_key == legacy::kMostFwknopHmacKey);
static_assert(static_cast<int>(HmacKind::md5) == static_cast<int>(legacy::Hash::md5) &&
              static_cast<int>(HmacKind::sha512) == static_cast<int>(legacy::Hash::sha512));

// fwknopd's own (MAX_SPA_PACKET_AGE), either way.
constexpr std::chrono::seconds kFwknopTolerance{120};

// Behind the HMAC the packet is one of this user's.
Reject reject_of_fwknop(legacy::FwknopFault fault) {
    using enum legacy::FwknopFault;
    switch (fault) {
    case hmac:
        return Reject::mac;
    case encoding:
    case blocks:
    case decryption:
    case digest:
        return Reject::box;
    case type:
    case unsupported_type:
        return Reject::legacy_type;
    case address:
        return Reject::address;
    case legacy::FwknopFault::endpoint:
        return Reject::port;
    case keys:
    case length:
    case alphabet:
    case prefix:
    case unavailable:
    case fields:
    case random:
    case user:
    case time:
    case version:
    case server_auth:
    case timeout:
    case message:
        break;
    }
    return Reject::legacy_form;
}

// A single endpoint is asked for as it is. Several of them have to be ports of one service, which is opened as a whole:
// a grant is of one service. Where there is none, nothing is named, and the step that looks for the service refuses.
void put_endpoints(Wanted& wanted, const Policy& policy, const Credential& credential,
                   std::span<const Endpoint> endpoints, const Address& address) {
    if (endpoints.size() == 1) {
        wanted.endpoint = endpoints.front();
        return;
    }
    for (std::size_t i = 0; i < policy.services.size(); ++i) {
        const Service& service = policy.services[i];
        const auto has = [&](const Endpoint& endpoint) { return service.pinhole({address, {}, endpoint}).has_value(); };
        if (credential.services.test(i) && std::ranges::all_of(endpoints, has))
            wanted.service = service.id;
    }
}

class FwknopMethod : public Method {
  public:
    explicit FwknopMethod(const MethodParts& parts) : policy_(parts.policy), secrets_(parts.legacy) {
        for (std::uint32_t place = 0; place < policy_.credentials.size(); ++place)
            add_credential(place);
    }

    std::optional<Unproved> prove_record(const Record& record, const Now& now, Claim& claim) const override;
    void follow_clock(const Now&) override {}
    void remove_credential(std::uint32_t place) override { std::erase(places_, place); }
    void add_credential(std::uint32_t place) override {
        if (is_of_kind(policy_.credentials[place], DeviceKind::fwknop))
            places_.insert(std::ranges::lower_bound(places_, place), place);
    }

  private:
    void fill(Claim& claim, const legacy::FwknopPacket& packet, std::uint32_t place, const Record& record,
              WallTime arrived) const;

    const Policy& policy_;
    const LegacySecrets& secrets_;
    std::vector<std::uint32_t> places_; // of the devices of this kind, in order: a packet stays the same device's
};

std::optional<Unproved> FwknopMethod::prove_record(const Record& record, const Now& now, Claim& claim) const {
    // 1 to 3. Two devices may share an HMAC key, so the first whose packet it is and that cannot open it is not the
    // last one that is tried.
    std::optional<Unproved> unproved;
    for (const std::uint32_t place : places_) {
        const LegacySecret* const secret = secrets_.find(place);
        if (secret == nullptr)
            continue;
        const auto hash = static_cast<legacy::Hash>(policy_.credentials[place].legacy.hmac);
        const auto decoded = legacy::decode_fwknop(bytes_of(record), {secret->encryption(), secret->hmac(), hash});
        if (const auto* packet = std::get_if<legacy::FwknopPacket>(&decoded)) {
            fill(claim, *packet, place, record, now.wall_at(record.arrived));
            return std::nullopt;
        }
        const auto fault = std::get<legacy::FwknopFault>(decoded);
        if (fault == legacy::FwknopFault::keys)
            continue;
        if (fault < legacy::FwknopFault::hmac) // whatever the keys are
            return Unproved{reject_of_fwknop(fault), std::nullopt};
        if (fault > legacy::FwknopFault::hmac && !unproved)
            unproved = Unproved{reject_of_fwknop(fault), place};
    }
    return unproved ? *unproved : Unproved{Reject::mac, std::nullopt};
}

void FwknopMethod::fill(Claim& claim, const legacy::FwknopPacket& packet, std::uint32_t place, const Record& record,
                        WallTime arrived) const {
    const Credential& credential = policy_.credentials[place];
    claim.credential = place;
    claim.slot = slot_made(packet.made, arrived, policy_.settings.skew);
    claim.replay.add(key_of_packet(credential.id, packet.replay_id));
    claim.freshness = {packet.made, kFwknopTolerance};
    claim.evidence.kind = FactorKind::none;
    put_address(claim.wanted, packet.address, record.source);
    put_endpoints(claim.wanted, policy_, credential, packet.endpoints(), packet.address.value_or(record.source));
    claim.wanted.lifetime = packet.timeout;
}

} // namespace

std::unique_ptr<Method> make_fwknop_method(const MethodParts& parts) { return std::make_unique<FwknopMethod>(parts); }

} // namespace xk::authz
