// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/worker_link.h"

#include "daemon/lifecycle/disabled.h"

namespace xk {

Result<void> WorkerLink::hand_over(config::Config& next, const config::Config* counts) {
    return monitor_.hand_over(next, [counts](const config::Config& changed) {
        return counts != nullptr ? check_disabled(changed, *counts) : Result<void>();
    });
}

Result<void> WorkerLink::hand_over_users(config::Config& next, const config::Config& counts,
                                         const std::set<std::string>& users) {
    return monitor_.hand_over_users(
        next, [&counts](const config::Config& changed) { return check_disabled(changed, counts); }, users);
}

} // namespace xk
