// SPDX-License-Identifier: MIT
//
// The verbs "try" and "confirm": the gate on trial.
#pragma once

#include "daemon/verbs/verb.h"

#include <chrono>

namespace xk::verbs {

class TrialControl {
  public:
    virtual ~TrialControl() = default;
    virtual Result<void> begin_trial(std::chrono::seconds time) = 0;
    virtual Result<void> confirm_trial() = 0; // an error where there is no trial
};

Table trial_verbs(TrialControl& trial);

} // namespace xk::verbs
