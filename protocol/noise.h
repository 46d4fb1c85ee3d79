// SPDX-License-Identifier: MIT
//
// Noise_NNpsk0_25519_ChaChaPoly_BLAKE2b (Noise Protocol Framework, revision 34): two messages after which both ends,
// who share a key before, share keys that neither of them can compute again later.
//
//   -> psk, e          (first message, of the initiator)
//   <- e, ee           (second message, of the responder)
//
// A message is the sender's ephemeral public key (32 bytes), the encrypted payload (as long as the payload), and the
// authenticator (16 bytes). The pattern is fixed, and nothing here allocates or reads a clock. Nothing else of Noise
// is built: no rekeying, no other pattern, no message of variable kind.
#pragma once

#include "protocol/keys.h"
#include "protocol/secret.h"

#include <cstdint>
#include <span>

namespace xk::noise {

inline constexpr std::size_t kHashSize = 64;   // BLAKE2b-512
inline constexpr std::size_t kPublicSize = 32; // X25519 (RFC 7748)
inline constexpr std::size_t kAuthenticatorSize = 16;
inline constexpr std::size_t kOverhead = kPublicSize + kAuthenticatorSize; // of a handshake message, over its payload

using Hash = Bytes<kHashSize>;
using PublicKey = Bytes<kPublicSize>;

// HMAC (RFC 2104) with BLAKE2b-512, whose block has 128 bytes. This is not BLAKE2b's own keyed mode. libsodium has no
// HMAC of this hash.
Hash hmac(ByteView key, ByteView message);

// The keys of a connection that began with the two messages. `to_responder` encrypts what the initiator sends.
struct TransportKeys {
    Key to_responder;
    Key to_initiator;
};

// ENCRYPT and DECRYPT of revision 34, section 12.3: ChaCha20-Poly1305 (RFC 8439); the nonce is four zero bytes and
// `number` as little-endian. `out` of encrypt() has kAuthenticatorSize bytes more than `plain`; `out` of decrypt() has
// as many fewer than `sealed`. Other sizes abort. decrypt() returns false where the authenticator is wrong, and `out`
// is all zero then.
void encrypt(const Key& key, std::uint64_t number, ByteView associated, ByteView plain, std::span<std::uint8_t> out);
[[nodiscard]] bool decrypt(const Key& key, std::uint64_t number, ByteView associated, ByteView sealed,
                           std::span<std::uint8_t> out);

// One end of one handshake, "HandshakeState" with its "SymmetricState" in the specification. It consists of secrets, so
// it lies in a Secret or is wiped. Each end calls begin(), and then a pair of functions: the initiator write_first()
// and read_second(), the responder read_first() and write_second(). In another order they abort. After a false answer
// the handshake is over, and a payload that was to be read is all zero.
class Handshake {
  public:
    // Both ends give the same prologue, which is part of every later authenticator.
    void begin(const Key& psk, ByteView prologue);

    // `message` has kOverhead bytes more than `payload`. `ephemeral` is a new random key for each handshake.
    void write_first(const Key& ephemeral, ByteView payload, std::span<std::uint8_t> message);
    // False: the initiator does not have our psk and prologue, or the message was changed.
    [[nodiscard]] bool read_first(ByteView message, std::span<std::uint8_t> payload);

    // False: the initiator's public key is of low order (RFC 7748, section 6.1), so that the result would not be
    // secret.
    [[nodiscard]] bool write_second(const Key& ephemeral, ByteView payload, std::span<std::uint8_t> message);
    // False: as read_first(), or the responder's public key is of low order.
    [[nodiscard]] bool read_second(ByteView message, std::span<std::uint8_t> payload);

    // After the second message. `out` lies inside a Secret, or its owner wipes it.
    void split(TransportKeys& out) const;
    // After the second message: a value that only these two ends have, and that is not secret. A signature over it is
    // for this handshake alone.
    const Hash& transcript() const { return hash_; }

  private:
    enum class Step : std::uint8_t { none, first, second, finished };

    void require(Step step) const;
    void mix_key(ByteView material);
    void mix_key_and_hash(ByteView material);
    void mix_hash(ByteView data);
    void write_payload(ByteView payload, std::span<std::uint8_t> out);
    bool read_payload(ByteView sealed, std::span<std::uint8_t> out);
    void write_ephemeral(const Key& ephemeral, std::span<std::uint8_t> out);
    void read_ephemeral(ByteView from);
    bool mix_shared();

    Hash chaining_key_;
    Hash hash_;
    Key key_;
    std::uint64_t number_; // of the next encryption with key_
    Key ephemeral_;        // our private one, until the second message
    PublicKey theirs_;
    Step step_;
};

} // namespace xk::noise
