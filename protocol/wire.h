// SPDX-License-Identifier: MIT
//
// Lengths, offsets and limits of docs/protocol.md, and no behaviour.
#pragma once

#include "protocol/base/bytes.h"

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace xk::wire {

// The datagram: UDP payload of exactly this length, in every mode and direction.
inline constexpr std::size_t kPacketSize = 192;
inline constexpr std::size_t kTagOffset = 0;
inline constexpr std::size_t kTagSize = 8;
inline constexpr std::size_t kMacOffset = 8;
inline constexpr std::size_t kMacSize = 8;
inline constexpr std::size_t kMacKeySize = 16;
inline constexpr std::size_t kNonceOffset = 16; // the MAC covers everything from here on
inline constexpr std::size_t kNonceSize = 24;
inline constexpr std::size_t kBoxOffset = 40;
inline constexpr std::size_t kBoxSize = 152; // Poly1305 tag (16), then the ciphertext
inline constexpr std::size_t kRequestSize = 136;
inline constexpr std::size_t kSignedSize = 72; // the part of the request that a factor's proof covers
inline constexpr std::size_t kProofSize = 64;

static_assert(kNonceOffset + kNonceSize == kBoxOffset);
static_assert(kBoxOffset + kBoxSize == kPacketSize);
static_assert(kBoxSize == 16 + kRequestSize);
static_assert(kSignedSize + kProofSize == kRequestSize);

inline constexpr std::size_t kKeySize = 32;      // credential, master key, every subkey
inline constexpr std::size_t kServerIdSize = 16; // S
inline constexpr std::size_t kCredentialIdSize = 8;
inline constexpr std::size_t kRequestIdSize = 16;

inline constexpr std::chrono::seconds kSlotLength{30};
inline constexpr std::chrono::seconds kDefaultSkew{30}; // either way
inline constexpr std::uint16_t kDefaultPort = 62201;

using Packet = Bytes<kPacketSize>;
using Tag = Bytes<kTagSize>;
using Mac = Bytes<kMacSize>;
using Nonce = Bytes<kNonceSize>;
using ServerId = Bytes<kServerIdSize>;
using CredentialId = Bytes<kCredentialIdSize>;
using RequestId = Bytes<kRequestIdSize>;

} // namespace xk::wire
