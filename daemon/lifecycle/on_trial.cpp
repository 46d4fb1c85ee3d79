// SPDX-License-Identifier: MIT
// How the gate goes: on trial, whenever its daemon ends, so that it never stands where nobody would take it away; and
// after a dry run, which leaves nothing.
#include "daemon/lifecycle/daemon.h"

#include "daemon/lifecycle/last_good.h"
#include "daemon/lifecycle/startup.h"
#include "daemon/log.h"
#include "daemon/nft/ruleset.h"
#include "protocol/base/duration.h"

namespace xk {

Result<void> Daemon::put_on_trial(std::chrono::seconds time) {
    if (parts_.dry_run)
        return Error{"a dry run has nothing that could be on trial", {}};
    if (parts_.panic.is_on())
        return Error{"in panic the gate does not go by itself", "knockctl panic --over"};
    // A gate that nobody confirms must not come back with a boot.
    if (auto done = forget_last_good(config().state_directory); !done)
        return done;
    if (auto done = parts_.trial.begin(time, BootClock::now()); !done) {
        keep_last_good();
        return done;
    }
    spdlog::warn("on trial by the operator: everything is taken away in {} unless \"knockctl confirm\" comes before",
                 duration_text(time));
    return {};
}

Result<void> Daemon::confirm() {
    if (!parts_.trial.is_on())
        return Error{"the gate is not on trial", "\"knockctl try 5m\" puts it on one"};
    if (auto done = parts_.trial.forget(); !done)
        return done;
    keep_last_good();
    spdlog::info("the trial was confirmed by the operator: the gate stays");
    return {};
}

Result<void> Daemon::take_away() {
    if (!parts_.dry_run)
        return take_gate_away(config(), parts_.nft);
    xdp::Filter::remove_dry_run(config().pin_directory);
    spdlog::info("the dry run ends; nothing is left of it");
    return {};
}

Result<void> Daemon::end_of_trial() {
    if (!parts_.trial.is_on() || parts_.panic.is_on())
        return {};
    if (parts_.trial.is_over(BootClock::now()))
        return forget_trial(config(), parts_.trial);
    spdlog::warn("stopped while on trial: ruleset and filter are gone, the ports are open; a start goes on with it");
    return {};
}

} // namespace xk
