// SPDX-License-Identifier: MIT
// The daemon's messages to the log and to the service manager, the reload, and the steps of its end.
#include "daemon/lifecycle/daemon.h"

#include "daemon/lifecycle/credential_status.h"
#include "daemon/lifecycle/disabled.h"
#include "daemon/lifecycle/notify.h"
#include "daemon/lifecycle/own_event.h"
#include "daemon/lifecycle/removal.h"
#include "daemon/lifecycle/ssh_session.h"
#include "daemon/log.h"

namespace xk {
namespace {

// The watchdog gets no message during a reload, and many devices on a slow disk take longer than systemd usually waits.
constexpr std::chrono::minutes kReloadTime{2};

void log_answers(const authz::Policy& policy) {
    if (cannot_answer(policy))
        log::warn("devices may knock by handshake, and no answer can be sent; {}", kAnswerSocketHint);
}

// Notifies the service manager that a reload is under way, and in the destructor that it is over.
class ReloadNotice {
  public:
    ReloadNotice() {
        notify("RELOADING=1\nWATCHDOG_USEC=" + std::to_string(std::chrono::microseconds(kReloadTime).count()));
    }
    ~ReloadNotice() {
        const char* const own = std::getenv("WATCHDOG_USEC");
        notify(std::string("READY=1") + (own != nullptr ? std::string("\nWATCHDOG_USEC=") + own : ""));
    }
};

} // namespace

Result<void> Daemon::reload() {
    const ReloadNotice notice;
    if (auto done = reload_.reload_config(Now::read()); !done)
        return done;
    for (const std::string& warning : config().warnings)
        log::warn("{}", warning);
    log_disabled(config());
    notify_status();
    log_statuses(config().policy, records_, state(), Now::read());
    log_answers(config().policy);
    return {};
}

// Takes milliseconds, so systemd is not told that a reload is under way.
Result<void> Daemon::reload_users(const std::set<std::string>& users) {
    if (auto done = reload_.reload_users(users, Now::read()); !done)
        return done;
    for (const std::string& warning : config().warnings)
        log::warn("{}", warning);
    notify_status();
    return {};
}

Result<void> Daemon::renew_last_good(const config::Config& config) {
    return parts_.dry_run ? Result<void>() : last_good_.keep(config, trial_control_.gate_stays());
}

// Called after every change, but for a reload, of the ruleset that a failed start should put up.
void Daemon::keep_last_good() { reload_.follow_change(kLastGood, renew_last_good(config())); }

void Daemon::notify_status() const {
    notify("STATUS=" +
           (parts_.panic.is_on() ? "in panic: nobody is let in until \"knockctl panic --over\""
                                 : "judging knocks on " + interfaces_.all().text()) +
           (config().disabled.empty() ? "" : "; disabled by faults: " + std::to_string(config().disabled.size())));
}

void Daemon::announce_ready() {
    // systemd keeps the socket, so that the table has its owner while no daemon runs too.
    if (parts_.owned)
        notify("FDSTORE=1\nFDNAME=nft\nFDPOLL=0", parts_.nft.fd());
    log_statuses(config().policy, records_, state(), Now::read());
    log_answers(config().policy);
    if (!parts_.dry_run && !ruleset_was_there_)
        log_sessions(config(), own_addresses());
    if (parts_.trial.is_on()) {
        const Now now = Now::read();
        authz::Event event = event_of(authz::EventKind::trial_begun, now);
        event.lifetime = parts_.trial.left(now.boot);
        event.again = true;
        events_.on_event(event);
    }
    if (parts_.dry_run)
        log::warn("a dry run: knocks are judged and logged, and nothing is shut or opened");
    keep_last_good();
    const std::size_t out = config().disabled.size();
    log::info("ready: {} credentials{}, knock port {}, interfaces {}, {} grants, {} bans",
              config().policy.credentials.size(), out == 0 ? "" : " (disabled by faults: " + std::to_string(out) + ")",
              config().port, interfaces_.all().text(), grants_.book().pinholes(), bans_.list().all().size());
    notify("READY=1");
    notify_status();
}

void Daemon::settle_grants() { grants_.settle(Now::read()); }
void Daemon::switch_syn_guard_off() { guard_.off(); }
bool Daemon::gate_stays() const { return trial_control_.gate_stays(); }

// Called where the gate does not stay: in a dry run, and on trial.
Result<void> Daemon::take_away() {
    if (!parts_.dry_run)
        return take_gate_away(config(), parts_.nft);
    xdp::Filter::remove_dry_run(config().pin_directory);
    log::info("the dry run ends; nothing is left of it");
    return {};
}

void Daemon::stop_hooks() { hook_calls_.stop(); }
void Daemon::end_worker() { monitor_.stop(); }

Result<void> Daemon::save_copy() {
    copies_.reset();
    return parts_.state_files.save(Now::read(), true);
}

Result<void> Daemon::save_owners() { return owners_.save(); }

Result<void> Daemon::finish_trial() {
    if (gate_stays())
        log::info("stopped; the ruleset, the filter and {} grants stay", grants_.book().pinholes());
    return trial_control_.finish(Now::read());
}

Result<void> Daemon::run() {
    announce_ready();
    auto ended = loop_->run();
    notify("STOPPING=1");
    return tear_down(*this, failure_ ? Result<void>(*failure_) : std::move(ended));
}

} // namespace xk
