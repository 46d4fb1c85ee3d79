// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/panic_control.h"

#include "daemon/lifecycle/own_event.h"
#include "daemon/log.h"

namespace xk {

using authz::EventKind;

Result<PanicReport> PanicControl::begin_panic(const std::optional<TcpSession>& caller, const Now& now) {
    if (world_.dry_run)
        return Error{"a dry run has nothing to close", {}};
    PanicReport report;
    report.grants = world_.closing.count_grants();
    if (auto written = panic_.begin_panic(caller, now.wall); !written) {
        log::error(std::move(written).error().within("this panic ends when xknockd does"));
        report.outlives_us = false;
    }
    world_.on_change(); // also on trial, because in a panic the gate stays
    const std::string spared =
        caller ? caller->remote.text() + " port " + std::to_string(caller->remote_port) : std::string();
    world_.events.on_event(event_of(EventKind::panic_begun, now, spared, report.grants));
    // The error of the worker is returned only below: a worker that hangs must not keep the grants open.
    const auto told = world_.worker.set_panic(true);
    const auto ended = carry_out(now);
    if (!told)
        return told.error();
    if (!ended)
        return ended.error();
    report.sessions = *ended;
    return report;
}

// Does every step even if one fails, and returns the first error.
Result<std::size_t> PanicControl::carry_out(const Now& now) {
    const auto closed = world_.closing.close_grants(now);
    const auto installed = world_.ruleset.install(*world_.config);
    const auto ended = world_.closing.end_sessions(panic_.spared(), now);
    if (!closed)
        return closed.error();
    if (!installed)
        return installed.error();
    if (!ended)
        return ended.error();
    if (auto written = panic_.finish(); !written)
        log::error(written.error());
    return *ended;
}

Result<void> PanicControl::go_on(const Now& now) {
    if (!panic_.is_on())
        return {};
    log::warn("in panic{}: nobody is let in until \"knockctl panic --over\"",
              panic_.since() ? " since " + log::utc(*panic_.since()) : "");
    if (panic_.is_finished()) // grants that the operator opened since then stay
        return world_.closing.close_users(now);
    const auto ended = carry_out(now);
    if (!ended)
        return ended.error();
    log::warn("{} sessions ended", *ended);
    return {};
}

void PanicControl::on_tick(const Now& now) {
    if (!panic_.is_on() || panic_.is_finished())
        return;
    const auto ended = carry_out(now);
    error_.on_result(ended ? Result<void>() : Result<void>(ended.error()), "the panic is not carried out yet");
    if (ended)
        log::warn("the panic is carried out, {} sessions ended", *ended);
}

Result<bool> PanicControl::end(const Now& now) {
    if (!panic_.is_on())
        return false;
    if (auto done = panic_.end(); !done)
        return done.error();
    world_.on_change();
    world_.events.on_event(event_of(EventKind::panic_over, now));
    const auto told = world_.worker.set_panic(false);
    auto done = world_.ruleset.install(*world_.config);
    if (!done)
        world_.want_repair();
    if (!told)
        return told.error();
    return done ? Result<bool>(true) : Result<bool>(std::move(done).error());
}

} // namespace xk
