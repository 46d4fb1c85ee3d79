// SPDX-License-Identifier: MIT
// The worker logs only the faults of its ring; outcomes go to xknockd as messages.
#include "daemon/log.h"
#include "daemon/worker/worker.h"

namespace xk::worker {
void Worker::log_suppressed() {
    if (const auto malformed = ring_.malformed(); malformed > malformed_told_) {
        log::error("{} records of the ring have a wrong size: is the filter of another release?",
                   malformed - malformed_told_);
        malformed_told_ = malformed;
    }
    if (const auto unknown = ring_.unknown(); unknown > unknown_told_) {
        log::error("{} records of the ring are of an unknown kind: is the filter of another release?",
                   unknown - unknown_told_);
        unknown_told_ = unknown;
    }
}

} // namespace xk::worker
