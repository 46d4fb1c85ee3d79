// SPDX-License-Identifier: MIT
//
// The order in which a daemon ends. teardown.cpp gives the reasons.
#pragma once

#include "protocol/base/clock.h"
#include "protocol/base/result.h"

namespace xk {

class TeardownPort {
  public:
    virtual ~TeardownPort() = default;
    virtual void settle_grants() = 0; // commits the grants that wait for a common transaction
    virtual void switch_syn_guard_off() = 0;
    virtual bool gate_stays() const = 0;
    virtual Result<void> take_away() = 0; // ruleset, filter and grants
    virtual void stop_hooks() = 0;
    virtual void end_worker() = 0;           // and waits for its end
    virtual Result<void> save_copy() = 0;    // marked as the copy of a clean stop
    virtual Result<void> save_owners() = 0;  // the owners of sessions
    virtual Result<void> finish_trial() = 0; // an error where the trial is over
};

// `ended` is the result of the loop. Returns the error with which the daemon ends.
Result<void> tear_down(TeardownPort& port, Result<void> ended);

} // namespace xk
