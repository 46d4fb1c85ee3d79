// SPDX-License-Identifier: MIT
#include "daemon/authz/admission.h"

#include <atomic>

namespace xk::authz {

Admitted LocalAdmission::consume_use(const Use& use) {
    if (use.step && !use.again) {
        // A code is used once: its step must be above the last used step, or equal to it in the same request.
        CredentialState& record = *use.record;
        const std::uint64_t used = *use.step + 1;
        const bool same =
            used == record.totp_step && record.request == use.token.request && record.address == use.address;
        if (used <= record.totp_step && !same)
            return Admitted::code_used;
        record.request = use.token.request;
        record.address = use.address;
        // A worker that is killed here has the request in the record before the step. The next worker then knows the
        // request again.
        std::atomic_signal_fence(std::memory_order_seq_cst);
        record.totp_step = used;
    }
    for (ReplayEntry* const entry : use.entries)
        entry->progress = Progress::asking;
    return Admitted::granted;
}

} // namespace xk::authz
