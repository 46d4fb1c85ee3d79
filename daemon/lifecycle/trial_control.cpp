// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/trial_control.h"

#include "daemon/lifecycle/last_good.h"
#include "daemon/lifecycle/own_event.h"
#include "daemon/log.h"

namespace xk {

using authz::EventKind;

Result<void> TrialControl::begin_trial(std::chrono::seconds time, const Now& now) {
    if (dry_run_)
        return Error{"a dry run has nothing that could be on trial", {}};
    if (panic_.is_on())
        return Error{"in panic the gate does not go by itself", "knockctl panic --over"};
    // Otherwise, after a boot, a failed start would put up the gate that was not confirmed.
    auto done = forget_last_good(world_.config->state_directory);
    if (done)
        done = trial_.begin_trial(time, now.boot);
    if (!done) {
        world_.keep_last_good();
        return done;
    }
    authz::Event event = event_of(EventKind::trial_begun, now);
    event.lifetime = time;
    world_.events.on_event(event);
    return {};
}

Result<void> TrialControl::confirm(const Now& now) {
    if (!trial_.is_on())
        return Error{"the gate is not on trial", "\"knockctl try 5m\" puts it on one"};
    if (auto done = trial_.forget(); !done)
        return done;
    world_.keep_last_good();
    world_.events.on_event(event_of(EventKind::trial_confirmed, now));
    return {};
}

Result<void> TrialControl::finish(const Now& now) {
    if (!trial_.is_on() || panic_.is_on())
        return {};
    if (trial_.is_over(now.boot))
        return forget_trial(*world_.config, trial_, world_.events, now);
    log::warn("stopped while on trial: ruleset and filter are gone, the ports are open; a start goes on with it");
    return {};
}

Error forget_trial(const config::Config& config, Trial& trial, authz::EventSink& events, const Now& now) {
    // If the file stays, the next start ends here too. That is better than a gate that was not confirmed.
    if (auto done = trial.forget(); !done)
        log::error(done.error());
    const bool external = config.gate_mode == config::GateMode::external;
    events.on_event(
        event_of(EventKind::trial_over, now, external ? "your own rules stay as they are" : "the ports are open"));
    return Error{"a trial that was not confirmed is over",
                 "\"systemctl start xknockd\" starts as ever; \"knockctl try 5m\" on trial", Exit::trial_over};
}

} // namespace xk
