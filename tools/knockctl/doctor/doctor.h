// SPDX-License-Identifier: MIT
//
// knockctl doctor: examines the host, the configuration and the daemon, and reports what is wrong and what to do. It
// changes nothing, and works without a running daemon.
#pragma once

#include "protocol/base/result.h"
#include "tools/knockctl/doctor/finding.h"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <string>

namespace xk::tools {

// `status` asks the daemon. Needs root.
Findings examine(const std::string& config_file, const std::function<Result<nlohmann::json>()>& status);

std::string show_findings(const Findings& findings);
nlohmann::json findings_json(const Findings& findings);
bool has_problem(const Findings& findings);

} // namespace xk::tools
