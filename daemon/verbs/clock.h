// SPDX-License-Identifier: MIT
//
// The verbs about which knocks are too old: "clock-accept" and "takeover".
#pragma once

#include "daemon/verbs/sources.h"
#include "daemon/verbs/verb.h"

namespace xk::verbs {

class HorizonControl {
  public:
    virtual ~HorizonControl() = default;
    // The wall clock is right, whatever the latest knock said.
    virtual Result<void> accept_clock() = 0;
    // Knocks made up to now, and for the skew from now on, are refused. It counts when this returns.
    virtual Result<void> raise_horizon() = 0;
};

Table clock_verbs(HorizonControl& horizon, const ConfigSource& config);

} // namespace xk::verbs
