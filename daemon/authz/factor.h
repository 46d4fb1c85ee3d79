// SPDX-License-Identifier: MIT
//
// The second factor: whether what a claim offers for it is right. It knows no packet and keeps no state; that a wrong
// one counts, and that a code counts once, is the judge's.
#pragma once

#include "daemon/authz/claim.h"
#include "daemon/authz/policy.h"
#include "daemon/authz/reject.h"

#include <optional>

namespace xk::authz {

// The second factor's secret of one credential: a TOTP secret of `size` bytes, or an HMAC key of 32.
struct FactorSecret {
    std::uint32_t size;
    std::uint8_t bytes[kMaxTotpSecret];
};

struct FactorVerdict {
    std::optional<Reject> reason; // factor_kind, proof_form (no guess: nothing counts), wrong_code. None: it is right
    std::optional<TotpStep> step; // of the code that was right
};

FactorVerdict verify_factor(const Credential& credential, const FactorSecret& secret, const Evidence& evidence,
                            WallTime arrived);

} // namespace xk::authz
