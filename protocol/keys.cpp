// SPDX-License-Identifier: MIT
#include "protocol/keys.h"

#include <algorithm>
#include <string_view>

namespace xk {
namespace {

// libsodium takes contexts of exactly crypto_kdf_CONTEXTBYTES characters.
constexpr char kRoot[] = "xk1_root";
constexpr char kGate[] = "xk1_gate";
constexpr char kSeal[] = "xk1_seal";
static_assert(sizeof kRoot - 1 == crypto_kdf_CONTEXTBYTES);

// Subkey numbers under "xk1_root".
enum Subkey : std::uint64_t { kGateKey = 1, kSealKey = 2, kHandshakeKey = 3, kSequenceKey = 4, kNonceKey = 5 };

constexpr std::string_view kKeyDomain = "xknock/1";

Key subkey(const Key& from, std::uint64_t number, const char* context) {
    static_assert(std::tuple_size_v<Key> == crypto_kdf_KEYBYTES);
    Key out;
    crypto_kdf_derive_from_key(out.data(), out.size(), number, context, from.data());
    sodium_stackzero(2048); // libsodium 1.0.18 leaves each hash in a frame of its own, which is smaller
    return out;
}

} // namespace

void derive_keys(CredentialKeys& out, const Key& credential, const wire::ServerId& server,
                 const wire::CredentialId& id) {
    Key master;
    Wiped wiped(master);
    crypto_generichash_state state;
    Wiped wiped_state(state);
    crypto_generichash_init(&state, credential.data(), credential.size(), master.size());
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(kKeyDomain.data()), kKeyDomain.size());
    crypto_generichash_update(&state, server.data(), server.size());
    crypto_generichash_update(&state, id.data(), id.size());
    crypto_generichash_final(&state, master.data(), master.size());
    out.gate = subkey(master, kGateKey, kRoot);
    out.seal = subkey(master, kSealKey, kRoot);
    out.handshake = subkey(master, kHandshakeKey, kRoot);
    out.sequence = subkey(master, kSequenceKey, kRoot);
    out.nonce = subkey(master, kNonceKey, kRoot);
}

GateKeys gate_keys(const Key& gate, Slot slot) {
    Key g = subkey(gate, slot, kGate);
    Wiped wiped(g);
    GateKeys keys;
    std::copy_n(g.begin(), keys.tag.size(), keys.tag.begin());
    std::copy_n(g.begin() + keys.tag.size(), keys.mac_key.size(), keys.mac_key.begin());
    return keys;
}

wire::Tag slot_tag(const Key& gate, Slot slot) {
    GateKeys keys = gate_keys(gate, slot);
    Wiped wiped(keys);
    return keys.tag;
}

Key seal_key(const Key& seal, Slot slot) { return subkey(seal, slot, kSeal); }

} // namespace xk
