// SPDX-License-Identifier: MIT
//
// The second factor: TOTP digits (RFC 6238 over RFC 4226, HMAC-SHA-1, 30 s steps, T0 = 0, as in every authenticator
// application), HOTP digits (RFC 4226) and HMAC-SHA-256 for machines. Secrets are raw bytes here; encoding.h has their
// text forms.
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
using HotpCounter = std::uint64_t;
using TotpStep = HotpCounter; // a TOTP code is the HOTP code of its step

inline constexpr std::size_t kMinTotpSecret = 20; // bytes; RFC 4226 section 4 R6 recommends 160 bits
inline constexpr std::size_t kMaxTotpSecret = 64;
inline constexpr std::chrono::seconds kTotpPeriod{30};
// How many counters from the next one on are searched for a code, and for the first of two codes in a row (RFC 4226,
// section 7.4). A guess of one code of six digits is right with a probability of 10 in 10^6, one of two codes with 1001
// in 10^12.
inline constexpr HotpCounter kHotpLookAhead = 10;
inline constexpr HotpCounter kHotpResync = 1000;

constexpr bool is_totp_digits(unsigned digits) { return digits == 6 || digits == 8; }

TotpStep totp_step(WallTime t);

// The proof field for a code: its ASCII digits, then zeros. Nothing when `code` is not exactly `digits`
// decimal digits.
std::optional<Proof> totp_proof(std::string_view code, unsigned digits);

// The code of one counter, as text. The caller wipes it where it matters.
std::string hotp_code(ByteView secret, HotpCounter counter, unsigned digits);
inline std::string totp_code(ByteView secret, TotpStep step, unsigned digits) {
    return hotp_code(secret, step, digits);
}

// Whether the proof field has the form that totp_proof() gives it.
bool is_totp_proof(const Proof& proof, unsigned digits);

// The step whose code the proof is: the step of `now` or one of its two neighbours. All three are always computed, and
// compared in constant time. Where two match, the later one counts, because it uses up more. The proof must have the
// right form (is_totp_proof()).
std::optional<TotpStep> match_totp(ByteView secret, unsigned digits, WallTime now, const Proof& proof);

// The proof field for one HOTP code, or for two in a row without a blank between them: ASCII digits, then zeros.
// Nothing when `code` is neither.
std::optional<Proof> hotp_proof(std::string_view code, unsigned digits);
bool is_hotp_proof(const Proof& proof, unsigned digits);

// The counter of the code, or of the second of two codes. `next` is the last used counter + 1, at most 2^63. A result
// below `next` is that of the code, or the pair, that was used last: the same request may come again. Two codes may
// also begin with the last used one. The lowest counter that matches counts, so that no used code counts as a later
// one. All codes of the window are always computed, and compared in constant time: 11, or 1003 for two codes (about 1
// ms). The proof must have the right form (is_hotp_proof()).
std::optional<HotpCounter> match_hotp(ByteView secret, unsigned digits, HotpCounter next, const Proof& proof);

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
