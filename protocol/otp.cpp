// SPDX-License-Identifier: MIT
#include "protocol/otp.h"

#include "protocol/secret.h"

#include <liboath/oath.h>

#include <algorithm>
#include <cstdlib>

namespace xk {
namespace {

constexpr std::size_t kMaxDigits = 8;
constexpr std::string_view kOtpDomain = "xknock/1";

using CodeText = std::array<char, kMaxDigits + 1>; // with the terminator that liboath writes

void generate(ByteView secret, HotpCounter counter, unsigned digits, CodeText& out) {
    static const bool ready = oath_init() == OATH_OK;
    // A time-based code is that of a counter, the step (RFC 6238, section 4.2). So no time_t is passed to the library:
    // where it has 32 bits there and 64 here, the arguments would be others. It can only fail on a number of digits
    // that our callers cannot pass, or without memory.
    if (!ready || oath_hotp_generate(reinterpret_cast<const char*>(secret.data()), secret.size(), counter, digits,
                                     false, OATH_HOTP_DYNAMIC_TRUNCATION, out.data()) != OATH_OK)
        std::abort();
}

bool is_digit(std::uint8_t c) { return c >= '0' && c <= '9'; }

} // namespace

TotpStep totp_step(WallTime t) {
    return static_cast<TotpStep>(std::max(t, WallTime{}).time_since_epoch() / kTotpPeriod);
}

std::optional<Proof> totp_proof(std::string_view code, unsigned digits) {
    Proof proof{};
    if (code.size() != digits || digits > kMaxDigits)
        return std::nullopt;
    std::ranges::copy(code, proof.begin());
    if (!is_totp_proof(proof, digits))
        return std::nullopt;
    return proof;
}

std::string hotp_code(ByteView secret, HotpCounter counter, unsigned digits) {
    CodeText text{};
    Wiped wiped(text);
    generate(secret, counter, digits, text);
    return std::string(text.data(), digits);
}

bool is_totp_proof(const Proof& proof, unsigned digits) {
    return std::all_of(proof.begin(), proof.begin() + digits, is_digit) && all_zero(ByteView(proof).subspan(digits));
}

std::optional<TotpStep> match_totp(ByteView secret, unsigned digits, WallTime now, const Proof& proof) {
    const TotpStep current = totp_step(now);
    const TotpStep first = current == 0 ? 0 : current - 1;
    std::optional<TotpStep> matched;
    for (TotpStep step = first; step < first + 3; ++step) {
        CodeText text{};
        Wiped wiped(text);
        generate(secret, step, digits, text);
        if (sodium_memcmp(text.data(), proof.data(), digits) == 0)
            matched = step;
    }
    return matched;
}

std::optional<Proof> hotp_proof(std::string_view code, unsigned digits) {
    Proof proof{};
    if (digits > kMaxDigits || (code.size() != digits && code.size() != 2 * digits))
        return std::nullopt;
    std::ranges::copy(code, proof.begin());
    if (!is_hotp_proof(proof, digits))
        return std::nullopt;
    return proof;
}

bool is_hotp_proof(const Proof& proof, unsigned digits) {
    return is_totp_proof(proof, digits) || is_totp_proof(proof, 2 * digits);
}

std::optional<HotpCounter> match_hotp(ByteView secret, unsigned digits, HotpCounter next, const Proof& proof) {
    const bool is_pair = is_digit(proof[digits]);
    const HotpCounter codes = is_pair ? 2 : 1;
    const HotpCounter first = next - std::min(next, codes);
    const HotpCounter end = next + (is_pair ? kHotpResync + 1 : kHotpLookAhead);
    std::optional<HotpCounter> matched;
    bool follows_first = false; // the code before was the first of the two
    for (HotpCounter counter = first; counter < end; ++counter) {
        CodeText text{};
        Wiped wiped(text);
        generate(secret, counter, digits, text);
        const bool is_first = sodium_memcmp(text.data(), proof.data(), digits) == 0;
        const bool is_second = sodium_memcmp(text.data(), proof.data() + digits, digits) == 0;
        const bool is_last = is_pair ? is_second && follows_first : is_first;
        if (is_last && !matched)
            matched = counter;
        follows_first = is_first;
    }
    return matched;
}

SignedMessage signed_message(const wire::ServerId& server, const wire::Tag& tag, const wire::Nonce& nonce,
                             const RequestBytes& request) {
    SignedMessage message;
    auto at = std::ranges::copy(kOtpDomain, message.begin()).out;
    at = std::ranges::copy(server, at).out;
    at = std::ranges::copy(tag, at).out;
    at = std::ranges::copy(nonce, at).out;
    std::copy_n(request.begin(), wire::kSignedSize, at);
    return message;
}

Proof hmac_proof(const Bytes<32>& key, ByteView message) {
    static_assert(crypto_auth_hmacsha256_BYTES <= wire::kProofSize && crypto_auth_hmacsha256_KEYBYTES == sizeof key);
    Proof proof{};
    crypto_auth_hmacsha256(proof.data(), message.data(), message.size(), key.data());
    return proof;
}

Proof hmac_proof(const Bytes<32>& key, const wire::ServerId& server, const wire::Tag& tag, const wire::Nonce& nonce,
                 const RequestBytes& request) {
    return hmac_proof(key, signed_message(server, tag, nonce, request));
}

bool hmac_matches(const Bytes<32>& key, ByteView message, const Proof& proof) {
    Proof expected = hmac_proof(key, message);
    Wiped wiped(expected);
    return sodium_memcmp(expected.data(), proof.data(), expected.size()) == 0;
}

} // namespace xk
