// SPDX-License-Identifier: MIT
//
// Disabled files: a file of a user or credential with a fault disables only those whom it describes.
#pragma once

#include "daemon/config/config.h"
#include "protocol/base/result.h"

namespace xk {

// Refuses `next` for faults in files that are not disabled in `now`: a typing error must not lock out users who can
// knock now. A file that is disabled already does not count, so that its fault does not block the reload of other
// files.
Result<void> check_disabled(const config::Config& next, const config::Config& now);

// Logs each fault, and each file that is disabled by its faults.
void log_disabled(const config::Config& config);

} // namespace xk
