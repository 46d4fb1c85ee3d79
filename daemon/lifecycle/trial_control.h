// SPDX-License-Identifier: MIT
//
// TrialControl carries out "knockctl try" and "knockctl confirm". On trial the gate is taken away when its daemon ends,
// and at the trial's end. In a panic it stays, because the ports must not open then.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/lifecycle/panic.h"
#include "daemon/lifecycle/ports.h"
#include "daemon/lifecycle/trial.h"

#include <chrono>
#include <functional>

namespace xk {

class TrialControl {
  public:
    struct World {
        CurrentConfig& config;
        authz::EventSink& events;
        std::function<void()> keep_last_good; // called when gate_stays() may have changed
    };
    TrialControl(Trial& trial, const Panic& panic, bool dry_run, World world)
        : trial_(trial), panic_(panic), dry_run_(dry_run), world_(std::move(world)) {}

    // The requests of the operator.
    Result<void> begin_trial(std::chrono::seconds time, const Now& now);
    Result<void> confirm(const Now& now);

    // Whether the time is over and there is no panic. Then the daemon has to stop and take everything away.
    bool is_due(BootTime now) const { return trial_.is_over(now) && !panic_.is_on(); }
    // Whether ruleset, filter and grants outlive the daemon.
    bool gate_stays() const { return !dry_run_ && (!trial_.is_on() || panic_.is_on()); }
    // Called at the end of a daemon that has taken everything away. Where the trial is over it returns an error whose
    // exit code keeps the service manager from another start.
    Result<void> finish(const Now& now);

  private:
    Trial& trial_;
    const Panic& panic_;
    bool dry_run_;
    World world_;
};

// Ends a trial that was not confirmed. Call it after the gate was taken away. Returns the error for the operator, with
// Exit::trial_over.
Error forget_trial(const config::Config& config, Trial& trial, authz::EventSink& events, const Now& now);

} // namespace xk
