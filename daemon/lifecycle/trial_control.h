// SPDX-License-Identifier: MIT
//
// TrialControl: "knockctl try" and "confirm". On trial the gate goes with its daemon and at the trial's end; a panic
// outlasts it, because the ports must not open while one lasts.
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
        std::function<void()> keep_last_good; // the gate has come to stay, or not to
    };
    TrialControl(Trial& trial, const Panic& panic, bool dry_run, World world)
        : trial_(trial), panic_(panic), dry_run_(dry_run), world_(std::move(world)) {}

    // By the operator.
    Result<void> begin(std::chrono::seconds time, const Now& now);
    Result<void> confirm(const Now& now);

    // Its time has come, and no panic lasts: the daemon stops and takes everything away.
    bool is_due(BootTime now) const { return trial_.is_over(now) && !panic_.is_on(); }
    // Whether ruleset, filter and grants are to outlive the daemon.
    bool gate_stays() const { return !dry_run_ && (!trial_.is_on() || panic_.is_on()); }
    // The last word of a daemon that has taken everything away. An error where the trial is over: its exit code keeps
    // the service manager from starting again.
    Result<void> finish(const Now& now);

  private:
    Trial& trial_;
    const Panic& panic_;
    bool dry_run_;
    World world_;
};

// The end of a trial that nobody confirmed, when the gate is gone: an error that says so, with the code for it.
Error forget_trial(const config::Config& config, Trial& trial, authz::EventSink& events, const Now& now);

} // namespace xk
