// SPDX-License-Identifier: MIT
//
// Checks the SSH sessions that a new gate affects: the one in which the operator starts "xknockd", and others at a
// protected port. They live on, but the next session from the same address needs a knock.
#pragma once

#include "daemon/config/config.h"
#include "protocol/base/address.h"
#include "protocol/base/result.h"

#include <set>

namespace xk {

// Returns an error, or with `only_warn` logs a warning, where gate.allow does not contain the client of the ssh session
// that started us. In mode "external" the administrator's rules decide.
Result<void> check_session(const config::Config& config, bool only_warn);

// Returns an error, or with `only_warn` logs a warning, where an interface of the configuration is missing and our ssh
// session comes in by an interface that it does not name. The name may be mistyped. Then the filter would not see any
// knock of a client outside of gate.allow.
Result<void> check_way_in(const config::Config& config, bool only_warn);

// Logs a line for each peer of a session at a protected port that needs a knock next time. Beyond 16 lines it logs only
// the number of further peers.
void log_sessions(const config::Config& config, const std::set<Address>& own_addresses);

} // namespace xk
