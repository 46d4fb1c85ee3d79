// SPDX-License-Identifier: MIT
//
// Whom a gate that goes up shuts out: the ssh session in which somebody types "xknockd", and sessions that stand at a
// protected port. They live on, but the next one from there needs a knock.
#pragma once

#include "daemon/config/config.h"
#include "protocol/base/address.h"
#include "protocol/base/result.h"

#include <set>

namespace xk {

// Refuses, or with `only_warn` says so, where the client of the ssh session that started us is in no network of
// gate.allow. The rules decide in mode "external".
Result<void> check_session(const config::Config& config, bool only_warn);

// Refuses, or with `only_warn` says so, where an interface is missing and the ssh session that started us comes in by
// one that the configuration does not name: a mistyped name, say. Its client, if no network of gate.allow, would knock
// in vain.
Result<void> check_way_in(const config::Config& config, bool only_warn);

// One line for each peer of a session at a protected port that no rule allows; after a few, their number.
void log_sessions(const config::Config& config, const std::set<Address>& own_addresses);

} // namespace xk
