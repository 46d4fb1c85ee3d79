// SPDX-License-Identifier: MIT
//
// Removal: takes away everything that shuts the ports. It needs no valid configuration.
#pragma once

#include "daemon/config/config.h"
#include "daemon/nft/transaction.h"
#include "protocol/base/result.h"

#include <string>

namespace xk {

// Takes away the ruleset, the last good ruleset (last_good.h) and the pins. In mode "external" it removes our elements
// from the administrator's sets. Does every step, whatever fails, and returns the last error.
Result<void> take_gate_away(const config::Config& config, nft::Socket& nft);

// xknockd --remove: takes away the ruleset, the pins and the files in /run.
Result<void> remove_traces(const std::string& config_file);

// Loads the configuration, or guesses as much of it as a removal needs. `fault` then gets the reason.
config::Config load_or_guess(const std::string& file, Error* fault = nullptr);

} // namespace xk
