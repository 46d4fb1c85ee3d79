// SPDX-License-Identifier: MIT
//
// knockctl try where no daemon runs: the trial is written down, so that the daemon finds itself on it from its first
// packet on, and systemd starts it.
#pragma once

#include "daemon/config/config.h"
#include "protocol/base/result.h"

#include <chrono>

namespace xk::tools {

// When it fails, the daemon is stopped and there is no trial.
Result<void> start_on_trial(const config::Config& config, std::chrono::seconds time);

} // namespace xk::tools
