// SPDX-License-Identifier: MIT
//
// The second factor: TOTP digits (RFC 6238 over RFC 4226, HMAC-SHA-1, 30 s steps, T0 = 0, as in every authenticator
// application) and HMAC-SHA-256 for machines. Secrets are raw bytes here; encoding.h has their text forms.
#pragma once

#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "protocol/seal.h"
#include "protocol/wire.h"

#include <cstdint>
#include <optional>
#include <string>

namespace xk {

using Proof = Bytes<wire::kProofSize>;
using TotpStep = std::uint64_t;

inline constexpr std::size_t kMinTotpSecret = 20; // bytes; RFC 4226 section 4 R6 recommends 160 bits
inline constexpr std::size_t kMaxTotpSecret = 64;
inline constexpr std::chrono::seconds kTotpPeriod{30};

constexpr bool is_totp_digits(unsigned digits) { return digits == 6 || digits == 8; }

TotpStep totp_step(WallTime t);

// The proof field for a code: its ASCII digits, then zeros. Nothing when `code` is not exactly `digits`
// decimal digits.
std::optional<Proof> totp_proof(std::string_view code, unsigned digits);

// The code of one step, as text. The caller wipes it where it matters.
std::string totp_code(ByteView secret, TotpStep step, unsigned digits);

// Whether the proof field has the form that totp_proof() gives it.
bool is_totp_proof(const Proof& proof, unsigned digits);

// The step whose code the proof is: the step of `now` or one of its two neighbours. All three are always computed, and
// compared in constant time. Where two match, the later one counts, because it uses up more. The proof must have the
// right form (is_totp_proof()).
std::optional<TotpStep> match_totp(ByteView secret, unsigned digits, WallTime now, const Proof& proof);

// "xknock/1" | S | tag | nonce | request[0..72): the message that the proof of a factor with a key covers.
using SignedMessage = Bytes<8 + wire::kServerIdSize + wire::kTagSize + wire::kNonceSize + wire::kSignedSize>;
SignedMessage signed_message(const wire::ServerId& server, const wire::Tag& tag, const wire::Nonce& nonce,
                             const RequestBytes& request);

// HMAC-SHA-256 over the message, in the first 32 bytes of the proof; zeros behind it.
Proof hmac_proof(const Bytes<32>& key, ByteView message);
Proof hmac_proof(const Bytes<32>& key, const wire::ServerId& server, const wire::Tag& tag, const wire::Nonce& nonce,
                 const RequestBytes& request);

// Compares in constant time, including the zeros behind the proof.
bool hmac_matches(const Bytes<32>& key, ByteView message, const Proof& proof);

} // namespace xk
