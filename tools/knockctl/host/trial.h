// SPDX-License-Identifier: MIT
//
// "knockctl try" where no daemon runs: it writes the trial down and lets systemd start the daemon, which is then on
// trial from its first packet on.
#pragma once

#include "daemon/config/config.h"
#include "protocol/base/result.h"

#include <chrono>
#include <string>

namespace xk::tools {

// When it fails, the daemon is stopped and there is no trial.
Result<void> start_on_trial(const config::Config& config, std::chrono::seconds time);

// "systemctl VERB xknockd.service"
Result<void> run_systemctl(const std::string& verb);

} // namespace xk::tools
