// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/start.h"

#include "daemon/lifecycle/disabled.h"
#include "daemon/lifecycle/steps.h"
#include "daemon/log.h"

namespace xk {

Result<void> Start::start_daemon(const std::shared_ptr<config::Config>& config, const Now& now) {
    auto done = put_up(config, now);
    if (!done)
        take_gate_away();
    return done;
}

Result<void> Start::put_up(const std::shared_ptr<config::Config>& shared, const Now& now) {
    const config::Config& config = *shared;
    World& w = world_;
    const Step steps[] = {
        {[] { return Result<void>(); }, [&] { take_filter_down(); }}, // start-up has loaded the filter
        {[&] { return look_for_ruleset(); }, {}},
        {[&] { return actions_.prepare_requests(); }, {}},
        {[&] { return w.adoption.revoke_copy(now); }, {}},
        {[&] { return hand_over(shared, now); }, {}},
        {[&] { return w.adoption.adopt_tables(now); }, {}},
        {[&] { return w.filter.write(config); }, {}},
        {[&] { return w.ruleset.install(config); }, [&] { remove_ruleset(config); }},
        {[&] { return w.adoption.adopt_sessions(ruleset_was_there_); }, {}},
        {[&] { return actions_.continue_panic(); }, {}},
        {[&] { return w.adoption.install_bans(now); }, {}},
        {[&] { return w.worker.set_panic(actions_.is_in_panic()); }, {}},
        {[&] { return actions_.look_for_copies(); }, {}},
        {[&] { return w.worker.activate(); }, {}},
        {[&] { return w.worker.wait_for_tags(); }, {}},
        {[&] { return w.interfaces.attach(config, now); }, {}}, // the links are removed with the filter's pins
        {[&] { return actions_.drop_capabilities(); }, {}},
        {[&] { return w.guard.on(config), Result<void>(); }, [&] { w.guard.off(); }},
        {[&] { return actions_.open_loop(); }, {}},
    };
    return carry_out(steps);
}

Result<void> Start::look_for_ruleset() {
    const auto there = world_.ruleset.exists();
    if (!there)
        return there.error();
    table_was_there_ = *there;
    ruleset_was_there_ = *there && !before_.last_good;
    return {};
}

Result<void> Start::hand_over(const std::shared_ptr<config::Config>& config, const Now& now) {
    if (auto done = world_.worker.hand_over(*config, nullptr); !done)
        return done;
    world_.worker.commit(config);
    log_disabled(*config);
    return world_.guard.begin(now);
}

void Start::take_filter_down() {
    if (before_.filter || !before_.changes_net)
        return;
    if (auto done = world_.filter.take_away(); !done)
        log::error(done.error());
}

// A ruleset that stood before stays, because it keeps the ports shut.
void Start::remove_ruleset(const config::Config& config) {
    if (table_was_there_ || config.gate_mode != config::GateMode::table)
        return;
    if (auto done = world_.ruleset.remove(); !done)
        log::error(std::move(done).error().within("the ruleset of the failed start stands"));
}

void Start::take_gate_away() {
    if (!actions_.take_gate_away)
        return;
    if (auto done = actions_.take_gate_away(); !done)
        log::error(std::move(done).error().within("the gate of the failed start stands"));
}

} // namespace xk
