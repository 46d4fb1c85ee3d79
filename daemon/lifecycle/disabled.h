// SPDX-License-Identifier: MIT
//
// Files of users and credentials with a fault: whom they describe is left out, and everybody else is judged.
#pragma once

#include "daemon/config/config.h"
#include "protocol/base/result.h"

namespace xk {

// The faults of files that are not out by one already: a reload with a typing error throws out nobody who is judged
// now, and a fault that the start found does not keep the other files from being read again.
Result<void> check_disabled(const config::Config& next, const config::Config& now);

void log_disabled(const config::Config& config);

} // namespace xk
