// SPDX-License-Identifier: MIT
//
// How the gate goes: everything that shuts the ports is taken away, also without a good configuration.
#pragma once

#include "daemon/config/config.h"
#include "daemon/nft/transaction.h"
#include "protocol/base/result.h"

#include <string>

namespace xk {

// Takes away the ruleset, what would put it up again (last_good.h), and the pins; of the administrator's own sets (mode
// "external") the elements that are ours.
Result<void> take_gate_away(const config::Config& config, nft::Socket& nft);

// xknockd --remove: takes away the ruleset, the pins and the files in /run.
Result<void> remove_traces(const std::string& config_file);

// The configuration in `file`, or as much of it as taking everything away needs; `fault` says why, if it is given.
config::Config load_or_guess(const std::string& file, Error* fault = nullptr);

} // namespace xk
