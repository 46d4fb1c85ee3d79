// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/early_gate.h"

#include "daemon/events/log_sink.h"
#include "daemon/lifecycle/last_good.h"
#include "daemon/lifecycle/notify.h"
#include "daemon/lifecycle/panic.h"
#include "daemon/lifecycle/removal.h"
#include "daemon/lifecycle/state_files.h"
#include "daemon/lifecycle/trial_control.h"
#include "daemon/log.h"
#include "daemon/nft/ruleset.h"

#include <fcntl.h>
#include <unistd.h>

namespace xk {
namespace {

Fd duplicate(const Fd& fd) { return Fd(fd ? ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0) : -1); }

bool is_there(const std::string& file) { return ::access(file.c_str(), F_OK) == 0; }

} // namespace

Result<nft::Socket> EarlyGate::open_nft() const {
    if (auto socket = nft::Socket::adopt(duplicate(kept_)))
        return *std::move(socket);
    return nft::Socket::open_nf_tables();
}

void EarlyGate::put_up_last_good() {
    const auto installed = install_last_good();
    if (!installed)
        return log::error(Error(installed.error()).within("the last good ruleset is not put up"));
    last_good_stands_ = *installed;
}

Result<bool> EarlyGate::install_last_good() {
    const config::Paths paths = config::guess_paths(options_.config_file);
    const bool in_panic = is_there(Panic::file_in(paths.state));
    if (options_.dry_run || (!in_panic && (options_.trial || is_there(Trial::file_in(paths.state)))))
        return false;
    auto spec = read_last_good(paths.state);
    if (!spec)
        return spec.error();
    if (!*spec || StateFiles::is_held(paths.run))
        return false;
    auto nft = open_nft();
    if (!nft)
        return nft.error();
    const auto there = nft::ruleset_exists(*nft);
    if (!there)
        return there.error();
    if (*there)
        return false;
    (*spec)->owned = (*spec)->owned && nft::can_own(*nft);
    for (nft::ProtectedPort& port : (*spec)->protected_ports)
        port.cut = port.cut || in_panic;
    if (auto done = nft::install_ruleset(*nft, **spec); !done)
        return done.error();
    if ((*spec)->owned) // systemd keeps the socket, so that the table keeps its owner if this start fails
        notify("FDSTORE=1\nFDNAME=nft\nFDPOLL=0", nft->fd());
    kept_ = Fd(::fcntl(nft->fd(), F_DUPFD_CLOEXEC, 0));
    log::info("the last good ruleset is up, {} ports or ranges; nobody is judged yet", (*spec)->protected_ports.size());
    return true;
}

Result<void> EarlyGate::check_trial(const config::Config& config) const {
    Trial trial = Trial::read(config.state_directory, config.account.uid);
    if (options_.dry_run || options_.trial || !trial.is_over(BootClock::now()) ||
        Panic::read(config.state_directory, config.account.uid).is_on() || // the ports stay shut in a panic
        StateFiles::is_held(config.run_directory))
        return {};
    auto nft = open_nft();
    if (!nft)
        return nft.error();
    if (auto done = take_gate_away(config, *nft); !done)
        return done;
    events::LogSink log; // the other sinks do not exist yet
    return forget_trial(config, trial, log, Now::read());
}

Error EarlyGate::refuse(Error why) const {
    if (!last_good_stands_)
        return why;
    auto nft = open_nft();
    if (auto done = nft ? nft::remove_ruleset(*nft) : Result<void>(nft.error()); !done)
        log::error(std::move(done).error().within("the last good ruleset stands, and shuts the ports"));
    return why;
}

void EarlyGate::abandon_trial() const {
    const config::Config c = load_or_guess(options_.config_file);
    if (!Trial::read(c.state_directory, c.account.uid).is_on() ||
        Panic::read(c.state_directory, c.account.uid).is_on() || StateFiles::is_held(c.run_directory))
        return;
    auto nft = open_nft();
    if (auto done = nft ? take_gate_away(c, *nft) : nft.error(); !done)
        return log::error(done.error());
    log::warn("on trial, and it does not start: ruleset and filter are gone, the ports are open");
}

void report_shut(const Options& options, const Error& why) {
    if (options.dry_run || why.exit == Exit::busy) // another daemon runs, and judges
        return;
    auto nft = nft::Socket::open_nf_tables();
    const auto there = nft ? nft::ruleset_exists(*nft) : Result<bool>(nft.error());
    if (!there || !*there)
        return;
    const std::string text =
        "shut, judging nothing: " + why.message.substr(0, why.message.find('\n')) +
        "; the way out: mend it and \"systemctl start xknockd\", or \"xknockd --remove\", which opens "
        "the ports";
    log::critical("{}", text);
    notify("STATUS=" + text);
}

} // namespace xk
