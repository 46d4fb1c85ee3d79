// SPDX-License-Identifier: MIT
#include "protocol/noise.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace xk::noise {
namespace {

static_assert(kPublicSize == crypto_scalarmult_curve25519_BYTES);
static_assert(kAuthenticatorSize == crypto_aead_chacha20poly1305_ietf_ABYTES);
static_assert(std::tuple_size_v<Key> == crypto_aead_chacha20poly1305_ietf_KEYBYTES);

constexpr std::size_t kBlockSize = 128; // of BLAKE2b
constexpr std::string_view kName = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2b";
static_assert(kName.size() <= kHashSize); // a longer name would be hashed

// libsodium leaves intermediate values in frames of its own that are over (protocol/keys.cpp). Those of the scalar
// multiplication are the largest.
void wipe_library_frames() { sodium_stackzero(8192); }

void require(bool holds) {
    if (!holds)
        std::abort();
}

ByteView name() { return {reinterpret_cast<const std::uint8_t*>(kName.data()), kName.size()}; }

class Hasher {
  public:
    Hasher() { crypto_generichash_init(&state_, nullptr, 0, kHashSize); }
    Hasher& add(ByteView data) {
        crypto_generichash_update(&state_, data.data(), data.size());
        return *this;
    }
    Hash finish() {
        Hash out;
        crypto_generichash_final(&state_, out.data(), out.size());
        return out;
    }

  private:
    crypto_generichash_state state_;
    Wiped<crypto_generichash_state> wiped_{state_};
};

// HKDF of revision 34, section 4.3. The third output is made where it is asked for.
void derive(const Hash& chaining_key, ByteView material, Hash& first, Hash& second, Hash* third = nullptr) {
    Hash temporary = hmac(chaining_key, material);
    const Wiped wiped(temporary);
    Bytes<kHashSize + 1> input;
    const Wiped wiped_input(input);
    input[0] = 1;
    first = hmac(temporary, std::span(input).first<1>());
    std::ranges::copy(first, input.begin());
    input.back() = 2;
    second = hmac(temporary, input);
    if (third == nullptr)
        return;
    std::ranges::copy(second, input.begin());
    input.back() = 3;
    *third = hmac(temporary, input);
}

void truncate(const Hash& from, Key& to) { std::copy_n(from.begin(), to.size(), to.begin()); }

Bytes<crypto_aead_chacha20poly1305_ietf_NPUBBYTES> nonce_of(std::uint64_t number) {
    Bytes<crypto_aead_chacha20poly1305_ietf_NPUBBYTES> nonce{};
    for (std::size_t i = 0; i < sizeof number; ++i)
        nonce[4 + i] = static_cast<std::uint8_t>(number >> (8 * i));
    return nonce;
}

} // namespace

Hash hmac(ByteView key, ByteView message) {
    Bytes<kBlockSize> block{};
    const Wiped wiped(block);
    if (key.size() > block.size()) {
        Hash hashed = Hasher().add(key).finish();
        const Wiped wiped_hashed(hashed);
        std::ranges::copy(hashed, block.begin());
    } else {
        std::ranges::copy(key, block.begin());
    }
    for (auto& byte : block)
        byte ^= 0x36;
    Hash inner = Hasher().add(block).add(message).finish();
    const Wiped wiped_inner(inner);
    for (auto& byte : block)
        byte ^= 0x36 ^ 0x5c;
    const Hash out = Hasher().add(block).add(inner).finish();
    wipe_library_frames();
    return out;
}

void encrypt(const Key& key, std::uint64_t number, ByteView associated, ByteView plain, std::span<std::uint8_t> out) {
    require(out.size() == plain.size() + kAuthenticatorSize);
    const auto nonce = nonce_of(number);
    crypto_aead_chacha20poly1305_ietf_encrypt(out.data(), nullptr, plain.data(), plain.size(), associated.data(),
                                              associated.size(), nullptr, nonce.data(), key.data());
    wipe_library_frames();
}

// libsodium clears the text where the authenticator is wrong.
bool decrypt(const Key& key, std::uint64_t number, ByteView associated, ByteView sealed, std::span<std::uint8_t> out) {
    require(sealed.size() == out.size() + kAuthenticatorSize);
    const auto nonce = nonce_of(number);
    const bool right =
        crypto_aead_chacha20poly1305_ietf_decrypt(out.data(), nullptr, nullptr, sealed.data(), sealed.size(),
                                                  associated.data(), associated.size(), nonce.data(), key.data()) == 0;
    wipe_library_frames();
    return right;
}

void Handshake::require(Step step) const { noise::require(step_ == step); }

void Handshake::mix_key(ByteView material) {
    Hash key;
    const Wiped wiped(key);
    derive(chaining_key_, material, chaining_key_, key);
    truncate(key, key_);
    number_ = 0;
}

void Handshake::mix_key_and_hash(ByteView material) {
    Hash hash;
    const Wiped wiped_hash(hash);
    Hash key;
    const Wiped wiped(key);
    derive(chaining_key_, material, chaining_key_, hash, &key);
    mix_hash(hash);
    truncate(key, key_);
    number_ = 0;
}

void Handshake::mix_hash(ByteView data) { hash_ = Hasher().add(hash_).add(data).finish(); }

// "EncryptAndHash" and "DecryptAndHash".
void Handshake::write_payload(ByteView payload, std::span<std::uint8_t> out) {
    encrypt(key_, number_++, hash_, payload, out);
    mix_hash(out);
}

bool Handshake::read_payload(ByteView sealed, std::span<std::uint8_t> out) {
    if (!decrypt(key_, number_++, hash_, sealed, out))
        return false;
    mix_hash(sealed);
    return true;
}

// A public key is mixed into the chaining key too, because a psk is in the pattern (revision 34, section 9.2).
void Handshake::write_ephemeral(const Key& ephemeral, std::span<std::uint8_t> out) {
    ephemeral_ = ephemeral;
    crypto_scalarmult_curve25519_base(out.data(), ephemeral_.data());
    wipe_library_frames();
    mix_hash(out);
    mix_key(out);
}

void Handshake::read_ephemeral(ByteView from) {
    std::ranges::copy(from, theirs_.begin());
    mix_hash(theirs_);
    mix_key(theirs_);
}

bool Handshake::mix_shared() {
    Key shared;
    const Wiped wiped(shared);
    const bool secret = crypto_scalarmult_curve25519(shared.data(), ephemeral_.data(), theirs_.data()) == 0;
    wipe_library_frames();
    wipe(ephemeral_);
    if (!secret)
        return false;
    mix_key(shared);
    return true;
}

void Handshake::begin(const Key& psk, ByteView prologue) {
    hash_ = {};
    std::ranges::copy(name(), hash_.begin());
    chaining_key_ = hash_;
    mix_hash(prologue);
    mix_key_and_hash(psk);
    step_ = Step::first;
}

void Handshake::write_first(const Key& ephemeral, ByteView payload, std::span<std::uint8_t> message) {
    require(Step::first);
    noise::require(message.size() == payload.size() + kOverhead);
    write_ephemeral(ephemeral, message.first<kPublicSize>());
    write_payload(payload, message.subspan<kPublicSize>());
    step_ = Step::second;
}

bool Handshake::read_first(ByteView message, std::span<std::uint8_t> payload) {
    require(Step::first);
    step_ = Step::none;
    noise::require(message.size() == payload.size() + kOverhead);
    read_ephemeral(message.first<kPublicSize>());
    if (!read_payload(message.subspan<kPublicSize>(), payload))
        return false;
    step_ = Step::second;
    return true;
}

bool Handshake::write_second(const Key& ephemeral, ByteView payload, std::span<std::uint8_t> message) {
    require(Step::second);
    step_ = Step::none;
    noise::require(message.size() == payload.size() + kOverhead);
    write_ephemeral(ephemeral, message.first<kPublicSize>());
    if (!mix_shared())
        return false;
    write_payload(payload, message.subspan<kPublicSize>());
    step_ = Step::finished;
    return true;
}

bool Handshake::read_second(ByteView message, std::span<std::uint8_t> payload) {
    require(Step::second);
    step_ = Step::none;
    noise::require(message.size() == payload.size() + kOverhead);
    read_ephemeral(message.first<kPublicSize>());
    if (!mix_shared()) {
        std::ranges::fill(payload, std::uint8_t{0});
        return false;
    }
    if (!read_payload(message.subspan<kPublicSize>(), payload))
        return false;
    step_ = Step::finished;
    return true;
}

void Handshake::split(TransportKeys& out) const {
    require(Step::finished);
    Hash first;
    const Wiped wiped_first(first);
    Hash second;
    const Wiped wiped_second(second);
    derive(chaining_key_, {}, first, second);
    truncate(first, out.to_responder);
    truncate(second, out.to_initiator);
}

} // namespace xk::noise
