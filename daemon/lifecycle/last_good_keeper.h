// SPDX-License-Identifier: MIT
//
// LastGoodKeeper: keeps the file with the last good ruleset (last_good.h), which a failed start puts up after a boot.
// The file exists where the gate stays. There is none on trial, in mode "external" and with gate.on_failure "open".
#pragma once

#include "daemon/lifecycle/ports.h"

namespace xk {

class LastGoodKeeper {
  public:
    // `stands`: this start has put up the last good ruleset, perhaps of another mode than the configuration's.
    LastGoodKeeper(RulesetPort& ruleset, bool stands) : ruleset_(ruleset), stands_(stands) {}

    // Called after every change of the ruleset. `stays`: the gate is to outlive its daemon. Errors are logged, and the
    // next call tries again.
    void keep(const config::Config& config, bool stays);

  private:
    RulesetPort& ruleset_;
    bool stands_;
};

} // namespace xk
