// SPDX-License-Identifier: MIT
// "knockctl panic": everything closes and every session ends, and nobody is let in until "knockctl panic --over".
#include "daemon/lifecycle/daemon.h"

#include "daemon/lifecycle/notify.h"
#include "daemon/log.h"

namespace xk {
namespace {

// The first of two errors, if there is any.
Result<void> first_of(Result<void> one, Result<void> other) { return one ? other : one; }

} // namespace

void Daemon::notify_status() const {
    notify("STATUS=" +
           (parts_.panic.is_on() ? "in panic: nobody is let in until \"knockctl panic --over\""
                                 : "judging knocks on " + interfaces_.text()) +
           (config().disabled.empty() ? "" : "; disabled by faults: " + std::to_string(config().disabled.size())));
}

Result<Daemon::PanicReport> Daemon::panic(const std::optional<TcpSession>& caller) {
    if (parts_.dry_run)
        return Error{"a dry run has nothing to close", {}};
    PanicReport report;
    report.grants = grants_.book().pinholes();
    spdlog::warn("panic: the operator closes everything");
    if (caller)
        spdlog::warn("spared is the session of {} port {}, from which it was called", caller->remote.text(),
                     caller->remote_port);
    if (auto written = parts_.panic.begin(caller, Now::read().wall); !written) {
        log::error(std::move(written).error().within("this panic ends when xknockd does"));
        report.outlives_us = false;
    }
    keep_last_good(); // on trial too: a panic outlasts it
    notify_status();
    if (auto told = monitor_.set_panic(parts_.panic.is_on()); !told)
        return told.error();
    auto ended = carry_out_panic();
    if (!ended)
        return ended.error();
    report.sessions = *ended;
    spdlog::warn("{} grants closed, {} sessions ended; nobody is let in until \"knockctl panic --over\"", report.grants,
                 report.sessions);
    return report;
}

// All of it, whatever fails; then it is tried again on every tick.
Result<std::size_t> Daemon::carry_out_panic() {
    const Now now = Now::read();
    Result<void> done;
    for (const char* everybody : {"0.0.0.0/0", "::/0"})
        if (auto closed = grants_.close_prefix(Prefix::parse(everybody).value(), now, authz::EndCause::panic); !closed)
            done = first_of(done, closed.error());
    done = first_of(done, install_ruleset(config()));
    const auto ended = lifetimes_.end_all(config(), own_addresses(), parts_.panic.spared(), now);
    if (!ended)
        done = first_of(done, ended.error());
    if (!done)
        return done.error();
    if (auto written = parts_.panic.finish(); !written)
        log::error(written.error());
    return *ended;
}

// Of a daemon before us, at the start: before anybody is judged.
Result<void> Daemon::go_on_in_panic() {
    if (!parts_.panic.is_on())
        return {};
    spdlog::warn("in panic{}: nobody is let in until \"knockctl panic --over\"",
                 parts_.panic.since() ? " since " + log::utc(*parts_.panic.since()) : "");
    if (!parts_.panic.is_finished()) {
        const auto ended = carry_out_panic();
        if (!ended)
            return ended.error();
        spdlog::warn("{} sessions ended", *ended);
        return {};
    }
    // What the operator opened since then stands.
    const auto closed = grants_.close_users(Now::read());
    return closed ? Result<void>() : Result<void>(closed.error());
}

void Daemon::look_after_panic() {
    if (!parts_.panic.is_on() || parts_.panic.is_finished())
        return;
    if (auto ended = carry_out_panic(); !ended)
        log::error(std::move(ended).error().within("the panic is not carried out yet"));
    else
        spdlog::warn("the panic is carried out, {} sessions ended", *ended);
}

Result<bool> Daemon::end_panic() {
    if (!parts_.panic.is_on())
        return false;
    if (auto done = parts_.panic.end(); !done)
        return done.error();
    spdlog::warn("the operator says that the panic is over: knocks are let in again");
    keep_last_good();
    notify_status();
    if (auto told = monitor_.set_panic(parts_.panic.is_on()); !told)
        return told.error();
    if (auto done = install_ruleset(config()); !done)
        return done.error();
    return true;
}

} // namespace xk
