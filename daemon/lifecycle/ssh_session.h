// SPDX-License-Identifier: MIT
//
// SSH sessions that a new gate affects: the one in which somebody types "xknockd", and others at a protected port. They
// live on, but the next session from the same address needs a knock.
#pragma once

#include "daemon/config/config.h"
#include "protocol/base/address.h"
#include "protocol/base/result.h"

#include <set>

namespace xk {

// Refuses, or with `only_warn` logs a warning, where gate.allow does not hold the client of the ssh session that
// started us. In mode "external" the administrator's rules decide.
Result<void> check_session(const config::Config& config, bool only_warn);

// Refuses, or with `only_warn` logs a warning, where an interface is missing and our ssh session comes in by one that
// the configuration does not name. The name may be mistyped, and a client outside of gate.allow would knock in vain.
Result<void> check_way_in(const config::Config& config, bool only_warn);

// Logs a line for each peer of a session at a protected port that needs a knock next time, and the number of the rest.
void log_sessions(const config::Config& config, const std::set<Address>& own_addresses);

} // namespace xk
