// SPDX-License-Identifier: MIT
#include "protocol/otp.h"

#include "protocol/secret.h"

#include <liboath/oath.h>

#include <algorithm>
#include <cstdlib>

namespace xk {
namespace {

constexpr std::size_t kMaxDigits = 8;
constexpr std::string_view kDomain = "xknock/1";

using CodeText = std::array<char, kMaxDigits + 1>; // with the terminator that liboath writes

void generate(ByteView secret, TotpStep step, unsigned digits, CodeText& out) {
    static const bool ready = oath_init() == OATH_OK;
    const auto seconds = static_cast<time_t>(step * static_cast<TotpStep>(kTotpPeriod.count()));
    // It can only fail on a number of digits or a clock that our callers cannot pass, or without memory.
    if (!ready || oath_totp_generate(reinterpret_cast<const char*>(secret.data()), secret.size(), seconds,
                                     static_cast<unsigned>(kTotpPeriod.count()), 0, digits, out.data()) != OATH_OK)
        std::abort();
}

bool is_digit(std::uint8_t c) { return c >= '0' && c <= '9'; }

} // namespace

TotpStep totp_step(WallTime t) {
    const auto us = t.time_since_epoch().count();
    return us < 0 ? 0 : static_cast<TotpStep>(us / std::chrono::microseconds(kTotpPeriod).count());
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

std::string totp_code(ByteView secret, TotpStep step, unsigned digits) {
    CodeText text{};
    Wiped wiped(text);
    generate(secret, step, digits, text);
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

Proof hmac_proof(const Bytes<32>& key, const wire::ServerId& server, const wire::Tag& tag, const wire::Nonce& nonce,
                 const RequestBytes& request) {
    static_assert(crypto_auth_hmacsha256_BYTES <= wire::kProofSize);
    const auto update = [](crypto_auth_hmacsha256_state& state, const void* data, std::size_t size) {
        crypto_auth_hmacsha256_update(&state, static_cast<const unsigned char*>(data), size);
    };
    Proof proof{};
    crypto_auth_hmacsha256_state state;
    Wiped wiped(state);
    crypto_auth_hmacsha256_init(&state, key.data(), key.size());
    update(state, kDomain.data(), kDomain.size());
    update(state, server.data(), server.size());
    update(state, tag.data(), tag.size());
    update(state, nonce.data(), nonce.size());
    update(state, request.data(), wire::kSignedSize);
    crypto_auth_hmacsha256_final(&state, proof.data());
    return proof;
}

bool hmac_matches(const Bytes<32>& key, const wire::ServerId& server, const wire::Tag& tag, const wire::Nonce& nonce,
                  const RequestBytes& request, const Proof& proof) {
    Proof expected = hmac_proof(key, server, tag, nonce, request);
    Wiped wiped(expected);
    return sodium_memcmp(expected.data(), proof.data(), expected.size()) == 0;
}

} // namespace xk
