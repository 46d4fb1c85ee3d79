// SPDX-License-Identifier: MIT
// Reactions to the kernel's notifications, and the steps of the tick once a second (tick.h).
#include "daemon/lifecycle/daemon.h"

#include "daemon/log.h"

namespace xk {

void Daemon::on_addresses() {
    auto changed = parts_.own_addresses.update();
    if (!changed)
        return fail(changed.error());
    if (!*changed)
        return;
    syn_drop_.on_addresses(parts_.own_addresses.all());
    reload_.follow_change(kFilterMaps, filter_slot_.write_addresses(config()));
}

void Daemon::on_forwarding() {
    auto changed = parts_.forwarding.update();
    if (!changed)
        return fail(changed.error());
    if (!*changed)
        return;
    reload_.follow_change(kFilterMaps, filter_slot_.write_forwarding(config()));
}

void Daemon::on_ruleset() {
    if (auto done = repair_.on_notice(Now::read()); !done)
        fail(done.error());
}

void Daemon::on_links() {
    const auto changed = links_->update();
    if (!changed)
        return fail(changed.error());
    if (*changed)
        keep_interfaces_attached(Now::read());
}

bool Daemon::is_over(const Now& now) { return trial_control_.is_due(now.boot); }

void Daemon::notice_sleep(const Now& now) {
    if (sleep_watch_.has_slept(time_asleep()))
        on_sleep(now);
}

void Daemon::notice_generation(const Now& now) {
    if (!generation_of_machine_.may_have_changed())
        return;
    if (auto done = take_over_.on_generation(now); !done)
        fail(done.error());
}

void Daemon::retry_reload() { reload_.on_tick(); }

void Daemon::end_grants(const Now& now) {
    grants_.expire(now.boot);
    barred_error_.on_result(grants_.end_barred(now));
}

void Daemon::report_changes(const Now& now) { after_changes(now); }
void Daemon::limit_syn_guard(const Now& now) { syn_drop_.on_tick(now.boot); }

void Daemon::check_sessions(const Now& now) {
    if (!parts_.dry_run)
        sessions_error_.on_result(lifetimes_.on_tick(config(), bans_.list(), own_addresses(), now));
}

void Daemon::carry_out_panic(const Now& now) { panic_control_.on_tick(now); }
void Daemon::end_bans(const Now& now) { bans_.expire(now); }
void Daemon::supervise_hooks(const Now& now) { hook_calls_.on_tick(now.boot); }
void Daemon::expire_tags(const Now& now) { tags_.expire(now.boot); }

void Daemon::repair_ruleset(const Now& now) {
    if (auto done = repair_.on_tick(now); !done)
        fail(done.error());
}

void Daemon::keep_interfaces_attached(const Now& now) {
    if (interfaces_.keep_attached(config(), now))
        notify_status();
}

void Daemon::admit_clients(const Now& now) {
    control_->drop_idle(now.boot);
    control_->admit_waiting([this](int fd) { watch_client(fd); });
    loop_->change(control_->listen_fd(), EPOLLIN); // on_control() may have turned it off
}

void Daemon::save_state(const Now& now) {
    if (!copies_) // the loop does not run yet
        return;
    if (copies_->take_failure())
        state_copy_.on_write_failed();
    state_copy_.look(state(), now.boot);
}

void Daemon::on_sleep(const Now& now) {
    log::info("the machine slept; grants and bans get the time that is left of them");
    if (!restore_after_sleep(*this, now))
        repair_.want();
}

// A dry run opens nothing, so no session comes by its grants.
Result<void> Daemon::restore_grants(const Now& now) {
    return parts_.dry_run ? grants_.restore(now) : lifetimes_.restore_grants(own_addresses(), now);
}

Result<void> Daemon::restore_bans(const Now& now) {
    bans_.expire(now);
    return bans_.install(now);
}

} // namespace xk
