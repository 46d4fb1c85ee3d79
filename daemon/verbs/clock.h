// SPDX-License-Identifier: MIT
//
// The verbs "clock-accept" and "takeover", which set the moment before which knocks are refused.
#pragma once

#include "daemon/verbs/sources.h"
#include "daemon/verbs/verb.h"

namespace xk::verbs {

class HorizonControl {
  public:
    virtual ~HorizonControl() = default;
    // The operator says that the wall clock is right, although later knocks were accepted before. Knocks made before
    // now plus the skew are refused.
    virtual Result<void> accept_clock() = 0;
    // When this returns, knocks made before now plus the skew are refused.
    virtual Result<void> raise_horizon() = 0;
};

Table clock_verbs(HorizonControl& horizon, const ConfigSource& config);

} // namespace xk::verbs
