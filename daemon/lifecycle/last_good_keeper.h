// SPDX-License-Identifier: MIT
//
// LastGoodKeeper: the file with the last good ruleset (last_good.h) says what a start that fails puts up after a boot.
// It is kept where the gate stays, and forgotten on trial, in mode "external" and with gate.on_failure "open".
#pragma once

#include "daemon/lifecycle/ports.h"

namespace xk {

class LastGoodKeeper {
  public:
    // `stands`: this start has put up the last good ruleset.
    LastGoodKeeper(RulesetPort& ruleset, bool stands) : ruleset_(ruleset), stands_(stands) {}

    // After whatever may have changed it. `stays`: the gate is to outlive its daemon. Errors are logged.
    void keep(const config::Config& config, bool stays);

  private:
    RulesetPort& ruleset_;
    bool stands_;
};

} // namespace xk
