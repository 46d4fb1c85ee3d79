// SPDX-License-Identifier: MIT
//
// The second factor: checks the evidence of a claim. It knows no packet and keeps no state. The judge counts the wrong
// ones and lets each code be used only once.
#pragma once

#include "daemon/authz/claim.h"
#include "daemon/authz/code_step.h"
#include "daemon/authz/policy.h"
#include "daemon/authz/reject.h"

#include <optional>

namespace xk::authz {

// The second factor's secret of one credential: a TOTP or HOTP secret of `size` bytes, or an HMAC key of
// 32.
struct FactorSecret {
    std::uint32_t size;
    std::uint8_t bytes[kMaxTotpSecret];
};

struct FactorVerdict {
    std::optional<Reject>
        reason; // factor_kind or proof_form (not counted as a guess), or wrong_code. None: it is right
    std::optional<CodeStep> step; // of the right code; of the second one of two
};

// `used` is the last accepted step of the credential + 1 (CredentialState::code_step). A code of factor hotp is
// searched from there on.
FactorVerdict verify_factor(const Credential& credential, const FactorSecret& secret, const Evidence& evidence,
                            WallTime arrived, CodeStep used);

} // namespace xk::authz
