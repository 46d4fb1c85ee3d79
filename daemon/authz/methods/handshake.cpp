// SPDX-License-Identifier: MIT
#include "daemon/authz/methods/handshake.h"

#include "daemon/authz/handshakes.h"
#include "protocol/seal.h"

#include <algorithm>
#include <cstring>

namespace xk::authz {
namespace {

class HandshakeMethod : public Method {
  public:
    explicit HandshakeMethod(const MethodParts& parts) : policy_(parts.policy), handshakes_(parts.handshakes) {}

    std::optional<Unproved> prove_record(const Record& record, const Now& now, Claim& claim) const override;
    void follow_clock(const Now&) override {}
    void remove_credential(std::uint32_t place) override { handshakes_.remove_credential(place); }
    void add_credential(std::uint32_t) override {}

  private:
    const Policy& policy_;
    Handshakes& handshakes_;
};

std::optional<Unproved> HandshakeMethod::prove_record(const Record& record, const Now&, Claim& claim) const {
    wire::Packet packet;
    if (record.bytes.size() != packet.size())
        return Unproved{Reject::tag, std::nullopt};
    std::memcpy(packet.data(), record.bytes.begin(), packet.size());
    Handshakes::Session* const session = handshakes_.find(packet_tag(packet), record.arrived);
    if (session == nullptr)
        return Unproved{Reject::tag, std::nullopt};
    GateKeys gate = gate_keys(session->keys.gate, 0);
    const Wiped wiped_gate(gate);
    if (!mac_matches(gate.mac_key, packet))
        return Unproved{Reject::mac, std::nullopt};
    auto opened = open_box(session->keys.seal, 0, packet);
    if (!opened)
        return Unproved{Reject::box, session->place};
    const Wiped wiped_bytes(*opened);
    session->came = 1;
    // The handshake has proved that this address can receive. Another one has proved nothing.
    if (!std::ranges::equal(session->peer, record.source.bytes))
        return Unproved{Reject::source, session->place};
    auto decoded = decode_request(*opened);
    if (const auto* fault = std::get_if<RequestFault>(&decoded))
        return Unproved{reject_of(*fault), session->place};
    Request& request = std::get<Request>(decoded);
    const Wiped wiped_proof(request.proof);
    claim.credential = session->place;
    claim.freshness = {}; // it answers our challenge
    claim.evidence.kind = request.factor;
    claim.evidence.proof = request.proof;
    claim.wanted = wanted_of(request);
    claim.replay.add({policy_.credentials[session->place].id, request.id, packet_mac(packet)});
    if (request.factor == FactorKind::hmac) {
        const auto message = handshake::signed_message(policy_.settings.server, session->transcript, packet_tag(packet),
                                                       packet_nonce(packet), *opened);
        std::ranges::copy(message, claim.evidence.message.begin());
        claim.evidence.message_size = message.size();
    }
    return std::nullopt;
}

} // namespace

std::unique_ptr<Method> make_handshake_method(const MethodParts& parts) {
    return std::make_unique<HandshakeMethod>(parts);
}

} // namespace xk::authz
