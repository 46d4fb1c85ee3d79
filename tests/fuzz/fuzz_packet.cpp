// SPDX-License-Identifier: MIT
//
// Anybody's 192 bytes before a real judge, from noise to a genuine packet with one bit changed and the MAC put
// right. Only what was sealed with a credential's key is accepted, and that once; all else changes nothing but a
// counter.
#include "fixtures.h"

using namespace xk;
using namespace xk::fuzz;
using namespace xk::authz;

namespace {

constexpr std::size_t kMaxPackets = 4;

wire::Packet genuine_packet(std::uint32_t who, const Now& now) {
    static std::uint8_t requests;
    const CredentialKeys keys = keys_of(who);
    const Slot slot = slot_of(now.wall);
    Request request;
    request.service = service_id("ssh");
    request.clock = now.wall;
    request.id = {++requests};
    request.factor = who == kHmac ? FactorKind::hmac : FactorKind::none;
    RequestBytes bytes = encode_request(request);
    const wire::Nonce nonce = hedged_nonce(keys.nonce, now.wall, bytes);
    if (who == kHmac)
        std::ranges::copy(hmac_proof(kHmacKey, kServer, gate_keys(keys.gate, slot).tag, nonce, bytes),
                          bytes.begin() + wire::kSignedSize);
    return seal_packet(keys, slot, nonce, bytes);
}

// The input's 192 bytes, as near to a genuine packet as its first byte says.
wire::Packet packet_from(Input& in, const Now& now, std::vector<wire::Packet>& sealed) {
    const std::uint8_t how = in.number();
    const std::uint32_t who = kHmac + in.number() % 3; // a second code in one step would not be let in
    const Slot slot = slot_of(now.wall) + in.number() % 4u - 2;
    auto packet = in.bytes<wire::kPacketSize>();
    GateKeys keys = gate_keys(keys_of(who).gate, slot);
    if ((how & 3) == 3) {
        const wire::Packet genuine = genuine_packet(who, now);
        sealed.push_back(genuine);
        for (std::size_t i = 0; i < packet.size(); ++i)
            packet[i] ^= genuine[i];
        keys = gate_keys(keys_of(who).gate, slot_of(now.wall));
    } else if ((how & 3) != 0) {
        std::ranges::copy(keys.tag, packet.begin() + wire::kTagOffset);
    }
    if ((how & 3) == 2 || (how & 7) == 7)
        std::ranges::copy(compute_mac(keys.mac_key, packet), packet.begin() + wire::kMacOffset);
    return packet;
}

void check_stranger(const Outcome& outcome) {
    FUZZ_CHECK(outcome.refused() != nullptr);
    const Reject reason = outcome.refused()->reason;
    FUZZ_CHECK(reason == Reject::tag || reason == Reject::mac || reason == Reject::box);
    FUZZ_CHECK(outcome.credential.has_value() == (reason == Reject::box)); // a name to log needs a right MAC
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static StateMemory memory;
    begin_fixed_randomness();
    memory.clear();
    Fixtures house(memory);
    std::vector<wire::Packet> sealed, judged;

    Input in(data, size);
    while (!in.empty() && judged.size() < kMaxPackets) {
        Record record;
        record.source = address_of(in.number());
        record.destination = own_address();
        record.arrived = house.now.boot;
        const wire::Packet packet = packet_from(in, house.now, sealed);
        record.bytes.assign(packet);

        const bool is_genuine = std::ranges::count(sealed, packet) != 0;
        const bool is_new = std::ranges::count(judged, packet) == 0;
        const auto records = std::span(memory.image().credentials).first<kCredentials>();
        Bytes<kCredentials * sizeof(CredentialState)> before;
        std::memcpy(before.data(), records.data(), before.size());
        const auto high_slot = house.state.header().high_slot;
        house.firewall.asked.clear();

        const Outcome outcome = house.judge(record);
        if (is_genuine && is_new) {
            FUZZ_CHECK(outcome.credential.has_value());
            const auto& networks = house.policy.credentials[*outcome.credential].networks;
            const bool may = record.source.is_grantable() && record.source != own_address() &&
                             (networks.count == 0 || networks.has(record.source));
            FUZZ_CHECK((outcome.accepted() != nullptr) == may);
        } else if (is_genuine) {
            FUZZ_CHECK(outcome.refused() != nullptr && outcome.refused()->reason == Reject::replay);
        } else {
            check_stranger(outcome);
        }
        if (outcome.accepted() == nullptr) {
            FUZZ_CHECK(house.firewall.asked.empty());
            FUZZ_CHECK(house.state.header().high_slot == high_slot);
        }
        if (!is_genuine)
            FUZZ_CHECK(std::memcmp(before.data(), records.data(), before.size()) == 0);
        judged.push_back(packet);
    }
    return 0;
}
