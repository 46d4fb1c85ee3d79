// SPDX-License-Identifier: MIT
#include "daemon/authz/methods/packet.h"

#include "daemon/authz/tags.h"
#include "protocol/seal.h"

#include <algorithm>
#include <cstring>

namespace xk::authz {
namespace {

class PacketMethod : public Method {
  public:
    explicit PacketMethod(const MethodParts& parts) : policy_(parts.policy), keys_(parts.keys) {}

    std::optional<Unproved> prove_record(const Record& record, const Now& now, Claim& claim) const override;

    // Covers the slots from the oldest one that a waiting record may be of to the next one.
    void follow_clock(const Now& now) override {
        const auto skew = policy_.settings.skew;
        tags_.cover({good_slots(now.wall - kLongestWait, skew).first, good_slots(now.wall, skew).last + 1},
                    {keys_.data(), keys_.size()});
    }

    void remove_credential(std::uint32_t place) override { tags_.remove(place, keys_[place]); }
    void add_credential(std::uint32_t place) override { tags_.add(place, keys_[place]); }

  private:
    void fill(Claim& claim, const Request& request, const TagTable::Match& by) const;

    const Policy& policy_;
    const Secret<CredentialKeys>& keys_;
    TagTable tags_;
};

std::optional<Unproved> PacketMethod::prove_record(const Record& record, const Now& now, Claim& claim) const {
    // 1. The maps of the filter are not trusted: tag and MAC are checked with our own keys.
    wire::Packet packet;
    if (record.bytes.size() != packet.size())
        return Unproved{Reject::tag, std::nullopt};
    // This uses memcpy(3), because GCC compiles std::ranges::copy to a loop over single bytes here.
    std::memcpy(packet.data(), record.bytes.begin(), packet.size());
    const auto match = tags_.find(packet_tag(packet));
    const SlotRange good = good_slots(now.wall_at(record.arrived), policy_.settings.skew);
    if (!match || match->slot < good.first || match->slot > good.last)
        return Unproved{Reject::tag, std::nullopt};
    GateKeys gate = gate_keys(keys_[match->credential].gate, match->slot);
    const Wiped wiped_gate(gate);
    if (!mac_matches(gate.mac_key, packet))
        return Unproved{Reject::mac, std::nullopt};

    // 2. The box.
    auto opened = open_box(keys_[match->credential].seal, match->slot, packet);
    if (!opened)
        return Unproved{Reject::box, match->credential};
    const Wiped wiped_bytes(*opened);

    // 3. The strict decoder.
    auto decoded = decode_request(*opened);
    if (const auto* fault = std::get_if<RequestFault>(&decoded))
        return Unproved{reject_of(*fault), match->credential};
    Request& request = std::get<Request>(decoded);
    const Wiped wiped_proof(request.proof);
    fill(claim, request, *match);
    claim.replay.add({policy_.credentials[match->credential].id, request.id, packet_mac(packet)});
    if (request.factor == FactorKind::hmac) {
        const auto message = signed_message(policy_.settings.server, packet_tag(packet), packet_nonce(packet), *opened);
        std::ranges::copy(message, claim.evidence.message.begin());
        claim.evidence.message_size = message.size();
    }
    return std::nullopt;
}

void PacketMethod::fill(Claim& claim, const Request& request, const TagTable::Match& by) const {
    claim.credential = by.credential;
    claim.slot = by.slot;
    claim.freshness = {request.clock, policy_.settings.skew};
    claim.evidence.kind = request.factor;
    claim.evidence.proof = request.proof;
    claim.wanted = wanted_of(request);
}

} // namespace

std::unique_ptr<Method> make_packet_method(const MethodParts& parts) { return std::make_unique<PacketMethod>(parts); }

} // namespace xk::authz
