// SPDX-License-Identifier: MIT
//
// LastGoodKeeper keeps the file with the last good ruleset (last_good.h) current. The file exists where the gate stays.
// There is none on trial, in mode "external" and with gate.on_failure "open".
#pragma once

#include "daemon/lifecycle/ports.h"

namespace xk {

class LastGoodKeeper {
  public:
    // `stands` says that this start has put up the last good ruleset. The configuration may have another mode.
    LastGoodKeeper(RulesetPort& ruleset, bool stands) : ruleset_(ruleset), stands_(stands) {}

    // Called after every change of the ruleset. `stays` says that the gate outlives its daemon. After an error the next
    // call tries again.
    Result<void> keep(const config::Config& config, bool stays);

  private:
    RulesetPort& ruleset_;
    bool stands_;
};

} // namespace xk
