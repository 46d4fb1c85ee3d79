// SPDX-License-Identifier: MIT
#include "protocol/seal.h"

#include <algorithm>

namespace xk {
namespace {

static_assert(wire::kNonceSize == crypto_secretbox_NONCEBYTES);
static_assert(wire::kBoxSize == crypto_secretbox_MACBYTES + wire::kRequestSize);
static_assert(wire::kKeySize == crypto_secretbox_KEYBYTES);
static_assert(wire::kMacKeySize == crypto_shorthash_KEYBYTES);
static_assert(wire::kMacSize == crypto_shorthash_BYTES);

template <std::size_t Offset, std::size_t N>
Bytes<N> copy_field(const wire::Packet& packet) {
    Bytes<N> out;
    std::ranges::copy(field<Offset, N>(std::span(packet)), out.begin());
    return out;
}

} // namespace

wire::Nonce hedged_nonce(const Key& nonce_key, WallTime now, const RequestBytes& request) {
    Bytes<32> random;
    randombytes_buf(random.data(), random.size());
    Bytes<8> time;
    store_be<std::uint64_t>(time, static_cast<std::uint64_t>(now.time_since_epoch().count()));
    wire::Nonce nonce;
    crypto_generichash_state state;
    Wiped wiped(state);
    crypto_generichash_init(&state, nonce_key.data(), nonce_key.size(), nonce.size());
    crypto_generichash_update(&state, random.data(), random.size());
    crypto_generichash_update(&state, time.data(), time.size());
    crypto_generichash_update(&state, request.data(), request.size());
    crypto_generichash_final(&state, nonce.data(), nonce.size());
    return nonce;
}

wire::Packet seal_packet(const CredentialKeys& keys, Slot slot, const wire::Nonce& nonce, const RequestBytes& request) {
    wire::Packet packet;
    GateKeys gate = gate_keys(keys.gate, slot);
    Wiped wiped_gate(gate);
    Key box_key = seal_key(keys.seal, slot);
    Wiped wiped_box(box_key);
    std::ranges::copy(gate.tag, packet.begin() + wire::kTagOffset);
    std::ranges::copy(nonce, packet.begin() + wire::kNonceOffset);
    crypto_secretbox_easy(packet.data() + wire::kBoxOffset, request.data(), request.size(), nonce.data(),
                          box_key.data());
    std::ranges::copy(compute_mac(gate.mac_key, packet), packet.begin() + wire::kMacOffset);
    return packet;
}

wire::Tag packet_tag(const wire::Packet& packet) { return copy_field<wire::kTagOffset, wire::kTagSize>(packet); }

wire::Mac packet_mac(const wire::Packet& packet) { return copy_field<wire::kMacOffset, wire::kMacSize>(packet); }

wire::Nonce packet_nonce(const wire::Packet& packet) {
    return copy_field<wire::kNonceOffset, wire::kNonceSize>(packet);
}

wire::Mac compute_mac(const Bytes<wire::kMacKeySize>& mac_key, const wire::Packet& packet) {
    wire::Mac mac;
    const auto covered = std::span(packet).subspan<wire::kNonceOffset>();
    crypto_shorthash(mac.data(), covered.data(), covered.size(), mac_key.data());
    return mac;
}

bool mac_matches(const Bytes<wire::kMacKeySize>& mac_key, const wire::Packet& packet) {
    const wire::Mac expected = compute_mac(mac_key, packet);
    return sodium_memcmp(expected.data(), packet.data() + wire::kMacOffset, expected.size()) == 0;
}

std::optional<RequestBytes> open_box(const Key& seal, Slot slot, const wire::Packet& packet) {
    Key box_key = seal_key(seal, slot);
    Wiped wiped(box_key);
    RequestBytes request;
    const Wiped wiped_request(request); // the caller gets a copy
    if (crypto_secretbox_open_easy(request.data(), packet.data() + wire::kBoxOffset, wire::kBoxSize,
                                   packet.data() + wire::kNonceOffset, box_key.data()) != 0)
        return std::nullopt;
    return request;
}

} // namespace xk
