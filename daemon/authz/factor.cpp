// SPDX-License-Identifier: MIT
#include "daemon/authz/factor.h"

#include "protocol/secret.h"

#include <algorithm>

namespace xk::authz {
namespace {

FactorVerdict verify_none(const Evidence& evidence) {
    return all_zero(evidence.proof) ? FactorVerdict{} : FactorVerdict{Reject::proof_form, {}};
}

FactorVerdict verify_hmac(const FactorSecret& secret, const Evidence& evidence) {
    Bytes<32> key;
    const Wiped wiped(key);
    std::copy_n(secret.bytes, key.size(), key.begin());
    return hmac_matches(key, evidence.signed_bytes(), evidence.proof) ? FactorVerdict{}
                                                                      : FactorVerdict{Reject::wrong_code, {}};
}

FactorVerdict verify_totp(const Credential& credential, const FactorSecret& secret, const Evidence& evidence,
                          WallTime arrived) {
    // The ports of a sequence follow from the code: the Method has found its step, and no digits came.
    if (evidence.step)
        return {std::nullopt, evidence.step};
    if (!is_totp_proof(evidence.proof, credential.totp_digits))
        return {Reject::proof_form, {}};
    const auto step = match_totp({secret.bytes, secret.size}, credential.totp_digits, arrived, evidence.proof);
    return step ? FactorVerdict{std::nullopt, step} : FactorVerdict{Reject::wrong_code, {}};
}

FactorVerdict verify_hotp(const Credential& credential, const FactorSecret& secret, const Evidence& evidence,
                          CodeStep used) {
    if (!is_hotp_proof(evidence.proof, credential.totp_digits))
        return {Reject::proof_form, {}};
    const auto counter =
        match_hotp({secret.bytes, secret.size}, credential.totp_digits, next_counter(used), evidence.proof);
    return counter ? FactorVerdict{std::nullopt, step_of_counter(*counter)} : FactorVerdict{Reject::wrong_code, {}};
}

} // namespace

FactorVerdict verify_factor(const Credential& credential, const FactorSecret& secret, const Evidence& evidence,
                            WallTime arrived, CodeStep used) {
    if (evidence.kind != credential.factor)
        return {Reject::factor_kind, {}};
    switch (credential.factor) {
    case FactorKind::none:
        return verify_none(evidence);
    case FactorKind::hmac:
        return verify_hmac(secret, evidence);
    case FactorKind::totp:
        return verify_totp(credential, secret, evidence, arrived);
    case FactorKind::hotp:
        return verify_hotp(credential, secret, evidence, used);
    case FactorKind::ed25519:
    case FactorKind::sk_ed25519:
        break;
    }
    return {Reject::factor_kind, {}};
}

} // namespace xk::authz
