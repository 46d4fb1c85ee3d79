// SPDX-License-Identifier: MIT
//
// Takes away everything that shuts the ports. It needs no valid configuration.
#pragma once

#include "daemon/config/config.h"
#include "daemon/nft/transaction.h"
#include "protocol/base/result.h"

#include <string>

namespace xk {

// Takes away the ruleset, the last good ruleset (last_good.h) and the pins. In mode "external" it removes our elements
// from the administrator's sets. Does every step even if one fails, and returns the last error.
Result<void> take_gate_away(const config::Config& config, nft::Socket& nft);

// xknockd --remove: takes away the ruleset, the pins and the files in /run.
Result<void> remove_traces(const std::string& config_file);

// Loads the configuration. If that fails, returns one with guessed directories, which is enough for a removal, and
// stores the error in `fault`.
config::Config load_or_guess(const std::string& file, Error* fault = nullptr);

} // namespace xk
