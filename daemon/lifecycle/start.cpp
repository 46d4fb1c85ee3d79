// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/start.h"

#include "daemon/lifecycle/disabled.h"
#include "daemon/lifecycle/steps.h"
#include "daemon/log.h"

namespace xk {

Result<void> Start::run(const std::shared_ptr<config::Config>& config, const Now& now) {
    const auto there = world_.ruleset.exists();
    if (!there)
        return there.error();
    ruleset_was_there_ = *there && !before_.last_good;
    auto done = put_up(config, now, *there);
    if (!done && hooks_.take_away)
        (void)hooks_.take_away();
    return done;
}

// A ruleset that stood before is replaced and stays: it shuts the ports, whatever becomes of this start.
Result<void> Start::put_up(const std::shared_ptr<config::Config>& shared, const Now& now, bool table_was_there) {
    config::Config& config = *shared;
    World& w = world_;
    const bool new_table = !table_was_there && config.gate_mode == config::GateMode::table;
    const Step steps[] = {
        {[] { return Result<void>(); }, [&] { take_filter_down(); }}, // it was loaded before
        {[&] { return w.adoption.revoke_copy(now); }, {}},
        {[&] { return w.worker.hand_over(config, nullptr); }, {}},
        {[&] { return w.worker.commit(shared), log_disabled(config), w.guard.begin(now); }, {}},
        {[&] { return w.adoption.adopt_tables(now); }, {}},
        {[&] { return w.filter.write(config); }, {}},
        {[&] { return w.ruleset.install(config); },
         [&] {
             if (new_table)
                 (void)w.ruleset.remove();
         }},
        {[&] { return w.adoption.adopt_sessions(ruleset_was_there_); }, {}},
        {[&] { return hooks_.go_on_in_panic(); }, {}},
        {[&] { return w.adoption.install_bans(now); }, {}},
        {[&] { return w.worker.set_panic(hooks_.is_in_panic()); }, {}},
        {[&] { return hooks_.look_for_copies(); }, {}},
        {[&] { return w.worker.activate(); }, {}},
        {[&] { return w.worker.wait_for_tags(); }, {}},
        {[&] { return w.interfaces.attach(config, now); }, {}}, // its links go with the filter's pins
        {[&] { return w.guard.on(config), Result<void>(); }, [&] { w.guard.off(); }},
        {[&] { return hooks_.serve(); }, {}},
    };
    return carry_out(steps);
}

void Start::take_filter_down() {
    if (before_.filter || !before_.changes_net)
        return;
    if (auto done = world_.filter.take_away(); !done)
        log::error(done.error());
}

} // namespace xk
