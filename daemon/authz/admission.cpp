// SPDX-License-Identifier: MIT
#include "daemon/authz/admission.h"

#include <atomic>

namespace xk::authz {

Admitted LocalAdmission::consume_use(const Use& use) {
    if (use.step && !use.again) {
        // A code is used once: its step must be above the last used step, or equal to it in the same request. A request
        // serves one address of each family, and none yet where the policy refused what it named.
        CredentialState& record = *use.record;
        const std::uint64_t used = *use.step + 1;
        const bool known = used == record.code_step && record.request == use.token.request;
        const bool serves = record.address == use.address || record.address == Address{} ||
                            record.address.is_v4() != use.address.is_v4();
        if (used <= record.code_step && !(known && serves))
            return Admitted::code_used;
        record.request = use.token.request;
        if (use.request || !known)
            record.address = use.request ? use.address : Address{};
        // A worker that is killed here has the request in the record before the step. The next worker then knows the
        // request again.
        std::atomic_signal_fence(std::memory_order_seq_cst);
        record.code_step = used;
    }
    for (ReplayEntry* const entry : use.entries)
        entry->progress = Progress::asking;
    return Admitted::granted;
}

} // namespace xk::authz
