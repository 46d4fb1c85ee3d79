// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/startup.h"

#include "daemon/bans/ban_file.h"
#include "daemon/lifecycle/last_good.h"
#include "daemon/lifecycle/notify.h"
#include "daemon/lifecycle/ssh_session.h"
#include "daemon/log.h"
#include "daemon/nft/ruleset.h"
#include "daemon/privsep/privileges.h"
#include "daemon/xdp/dispatcher.h"
#include "protocol/base/directory.h"
#include "protocol/base/quote.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

namespace xk {
namespace {

// Compiled in: a clock below it is known to be wrong.
constexpr std::int64_t kReleaseTime = XK_RELEASE_TIME;

// The directories that we write to; made by systemd and tmpfiles.d when they start us as our user.
Result<void> prepare_directories(const config::Config& config) {
    const std::pair<const std::string&, mode_t> directories[] = {
        {config.run_directory, 0755}, // everybody may reach the control socket, and is asked there who he is
        {config.state_directory, 0700},
        {config.pin_directory, 0700}};
    for (const auto& [path, mode] : directories)
        if (auto done = make_directory(path, mode, config.account.uid, config.account.gid); !done) {
            Error error = std::move(done).error();
            if (error.hint.empty())
                error.hint = "systemd-tmpfiles --create makes what the unit does not; for " + config.pin_directory +
                             " the BPF file system must be mounted";
            return error;
        }
    return {};
}

// How the memory of judgement begins, for the log and for status.
Result<std::string> begin_worker(const privsep::Child& worker, const config::Config& config, int ring,
                                 StateFiles& files, const Bytes<16>& boot_id) {
    privsep::Setup setup;
    setup.uid = config.worker_account.uid;
    setup.gid = config.worker_account.gid;
    setup.has_copy = files.copy_fd() >= 0 ? 1 : 0;
    setup.boot_id = boot_id;
    setup.replay_entries = files.replay_entries();
    setup.skew = config.policy.settings.skew.count();
    setup.earliest_wall = std::chrono::microseconds(std::chrono::seconds(kReleaseTime)).count();
    std::vector<int> fds = {ring, files.state_fd()};
    if (setup.has_copy)
        fds.push_back(files.copy_fd());
    setup.has_previous = files.previous_fd() >= 0 ? 1 : 0;
    if (setup.has_previous)
        fds.push_back(files.previous_fd());
    const auto answer = set_up_worker(worker, setup, fds);
    if (!answer)
        return answer.error();
    if (answer->begin == privsep::kResumed)
        return std::string("the memory of this boot");
    if (answer->begin == privsep::kUnreadable)
        return files.unreadable(static_cast<authz::StateFit>(answer->fit));
    if (answer->begin == privsep::kTakenOver) {
        if (auto done = files.settle(); !done)
            return done.error();
        return std::string("the memory of this boot, which had another layout");
    }
    switch (static_cast<authz::State::Begin>(answer->begin)) {
    case authz::State::Begin::from_clean_copy:
        return std::string("the copy of a clean stop");
    case authz::State::Begin::from_copy:
        return std::string("a copy that may be incomplete; knocks of before are refused");
    case authz::State::Begin::from_nothing:
        return std::string("nothing; knocks of before are refused");
    }
    return worker_error("said something that makes no sense");
}

// The socket that owned the table before us, if systemd kept it, or a new one.
Result<nft::Socket> open_nft(Fd kept) {
    if (auto socket = nft::Socket::adopt(std::move(kept)))
        return *std::move(socket);
    return nft::Socket::open();
}

// Null: the kernel cannot list them.
std::unique_ptr<nft::Sockets> open_sockets(bool dry_run) {
    if (dry_run)
        return {};
    auto sockets = nft::Sockets::open();
    if (!sockets) {
        log::error(std::move(sockets).error().within("sessions of this host end by its rules alone"));
        return {};
    }
    if (!(*sockets)->can_end())
        spdlog::warn("this kernel cannot end sockets (CONFIG_INET_DIAG_DESTROY): sessions end by the rules alone, and "
                     "programs hear of it with their next packet");
    return *std::move(sockets);
}

Fd duplicate(const Fd& fd) { return Fd(fd ? ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0) : -1); }

bool is_there(const std::string& file) { return ::access(file.c_str(), F_OK) == 0; }

// The last good ruleset, where nothing of ours stands yet: from now on the ports are shut, whatever comes of this
// start. Not where a start changes nothing or is for a trial, which a panic outlasts. `kept` becomes the owner of the
// table.
Result<bool> put_up_last_good(const Options& options, Fd& kept) {
    const config::Paths paths = config::guess_paths(options.config_file);
    const bool in_panic = is_there(Panic::file_in(paths.state));
    if (options.dry_run || (!in_panic && (options.trial || is_there(Trial::file_in(paths.state)))))
        return false;
    auto spec = read_last_good(paths.state);
    if (!spec)
        return spec.error();
    if (!*spec || StateFiles::is_held(paths.run))
        return false;
    auto nft = open_nft(duplicate(kept));
    if (!nft)
        return nft.error();
    const auto there = nft::ruleset_exists(*nft);
    if (!there)
        return there.error();
    if (*there)
        return false;
    (*spec)->owned = (*spec)->owned && nft::can_own(*nft);
    for (nft::ProtectedPort& guard : (*spec)->guards)
        guard.cut = guard.cut || in_panic;
    if (auto done = nft::install_ruleset(*nft, **spec); !done)
        return done.error();
    if ((*spec)->owned) // also from now until systemd starts the next one
        notify("FDSTORE=1\nFDNAME=nft\nFDPOLL=0", nft->fd());
    kept = Fd(::fcntl(nft->fd(), F_DUPFD_CLOEXEC, 0));
    spdlog::info("the last good ruleset is up, {} ports or ranges; nobody is judged yet", (*spec)->guards.size());
    return true;
}

// A trial whose time ended while no daemon lived: the gate goes, and does not come.
Result<void> check_trial(const Options& options, const config::Config& config, const Fd& kept) {
    Trial trial = Trial::read(config.state_directory, config.account.uid);
    if (options.dry_run || options.trial || !trial.is_over(BootClock::now()) ||
        Panic::read(config.state_directory, config.account.uid).is_on() || // which the ports outlast shut
        StateFiles::is_held(config.run_directory))
        return {};
    auto nft = open_nft(duplicate(kept));
    if (!nft)
        return nft.error();
    if (auto done = take_gate_away(config, *nft); !done)
        return done;
    return forget_trial(config, trial);
}

// The configuration, or as much of it as taking everything away needs.
config::Config load_or_guess(const std::string& file, Error* fault = nullptr) {
    auto config = config::load_config(file, config::Identity::required, config::UserFaults::disable);
    if (config)
        return *std::move(config);
    if (fault != nullptr)
        *fault = config.error();
    config::Config standard;
    const config::Paths paths = config::guess_paths(file);
    standard.run_directory = paths.run;
    standard.state_directory = paths.state;
    standard.pin_directory = paths.bpf;
    return standard;
}

// Nobody may be there to take it away later: a start that fails for its configuration is not tried again.
void abandon_trial(const Options& options, const Fd& kept) {
    const config::Config c = load_or_guess(options.config_file);
    if (!Trial::read(c.state_directory, c.account.uid).is_on() ||
        Panic::read(c.state_directory, c.account.uid).is_on() || StateFiles::is_held(c.run_directory))
        return;
    auto nft = open_nft(duplicate(kept));
    if (auto done = nft ? take_gate_away(c, *nft) : nft.error(); !done)
        return log::error(done.error());
    spdlog::warn("on trial, and it does not start: ruleset and filter are gone, the ports are open");
}

Result<std::unique_ptr<Daemon>> start(const Options& options, const Fd& kept, bool last_good_stands);

} // namespace

Result<std::unique_ptr<Daemon>> start_up(const Options& options) {
    Fd kept = kept_descriptor("nft"); // before anything else is opened or started
    const auto put_up = put_up_last_good(options, kept);
    if (!put_up)
        log::error(Error(put_up.error()).within("the last good ruleset is not put up"));
    auto daemon = start(options, kept, put_up && *put_up);
    if (!daemon && daemon.error().exit != Exit::trial_over && !options.dry_run)
        abandon_trial(options, kept);
    return daemon;
}

namespace {

// Where somebody's ssh session is why there is no start, nothing has changed for him.
Error refuse_session(Error why, const Fd& kept, bool last_good_stands) {
    if (last_good_stands)
        if (auto nft = nft::Socket::adopt(duplicate(kept)))
            if (auto done = nft::remove_ruleset(*nft); !done)
                log::error(done.error());
    return why;
}

Result<std::unique_ptr<Daemon>> start(const Options& options, const Fd& kept, bool last_good_stands) {
    // As whoever started us: root, or our own user with the capabilities of the unit.
    auto first = config::load_config(options.config_file, config::Identity::required, config::UserFaults::disable);
    if (!first)
        return first.error();
    if (auto done = privsep::check_capabilities(); !done)
        return done.error();
    if (first->coexist)
        if (auto done = xdp::check_dispatcher(); !done)
            return done.error();
    if (auto done = check_trial(options, *first, kept); !done)
        return done.error();
    if (auto done = Interfaces(first->state_directory, first->account.uid).check(first->interfaces); !done)
        return done.error();
    if (!options.dry_run && !options.force)
        if (auto done = check_session(*first, options.trial.has_value()); !done)
            return refuse_session(done.error(), kept, last_good_stands);
    if (!options.dry_run)
        if (auto done = check_way_in(*first, options.trial.has_value()); !done)
            return refuse_session(done.error(), kept, last_good_stands);
    if (auto done = prepare_directories(*first); !done)
        return done.error();
    auto boot_id = read_boot_id();
    if (!boot_id)
        return boot_id.error();

    // Kernels below 5.11 count maps against this limit; as root we may lift it, elsewhere the unit does.
    const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
    (void)::setrlimit(RLIMIT_MEMLOCK, &all);

    auto files = StateFiles::open(first->run_directory, first->state_directory, first->account.uid, first->account.gid,
                                  first->worker_account.uid, *boot_id, first->replay_entries);
    if (!files)
        return files.error();
    const bool links_were_there = xdp::Filter::has_links(first->pin_directory);
    if (options.dry_run && links_were_there)
        return Error{"the filter of an xknockd that was stopped is attached",
                     "\"xknockd --remove\" takes it away, and opens the ports"};
    xdp::Filter::remove_dry_run(first->pin_directory); // of one that was killed
    Trial trial = Trial::read(first->state_directory, first->account.uid);
    Panic panic =
        options.dry_run ? Panic::none(first->state_directory) : Panic::read(first->state_directory, first->account.uid);

    // The worker needs CAP_SETUID for its own user, and so do the hooks; nobody needs it after this.
    auto worker = privsep::spawn_child(options.worker_executable);
    if (!worker)
        return worker.error();
    std::optional<privsep::Child> hooks;
    if (first->hooks.any()) {
        auto started = HookCalls::start(options.hooks_executable);
        if (!started)
            return started.error();
        hooks = *std::move(started);
    }
    if (auto done = privsep::keep_capabilities(first->account.uid, first->account.gid,
                                               first->coexist || xdp::Filter::has_shares(first->pin_directory));
        !done)
        return done.error();

    // Read once more with the rights that a reload will have.
    auto config = config::load_config(options.config_file, config::Identity::required, config::UserFaults::disable);
    if (!config) {
        Error error = std::move(config).error();
        error.hint = "user " + first->account.name + " must be able to read the configuration (group " +
                     std::to_string(first->account.gid) + ")";
        return error;
    }
    if (config->disabled.size() > first->disabled.size())
        spdlog::error("user {} must be able to read the configuration (group {})", first->account.name,
                      first->account.gid);
    for (const std::string& warning : config->warnings)
        spdlog::warn("{}", warning);
    if (options.trial)
        if (auto done = trial.begin(*options.trial, BootClock::now()); !done)
            return done.error();
    if (trial.is_on() && !options.trial && !options.dry_run)
        if (auto done = trial.keep(); !done) // a disk that is full does not end it
            log::error(done.error());
    Result<nft::Socket> nft = options.dry_run ? nft::Socket::dry() : open_nft(duplicate(kept));
    if (!nft)
        return nft.error();
    const bool owned =
        !options.dry_run && config->gate_mode == config::GateMode::table && config->gate_owned && nft::can_own(*nft);
    // A dry run has no table, and no name that one could have.
    auto ruleset = nft::Watch::open(options.dry_run                                ? ""
                                    : config->gate_mode == config::GateMode::table ? nft::kTable
                                                                                   : config->external.table,
                                    nft->port());
    if (!ruleset)
        return ruleset.error();
    auto sessions = nft::Sessions::open();
    if (!sessions)
        return sessions.error();
    auto own_addresses = xdp::OwnAddresses::open();
    if (!own_addresses)
        return own_addresses.error();
    auto forwarding = xdp::Forwarding::open();
    if (!forwarding)
        return forwarding.error();
    auto filter = Daemon::load_filter(*config, options.dry_run);
    if (!filter)
        return filter.error();
    auto begin = begin_worker(*worker, *config, (*filter)->ring_fd(), *files, *boot_id);
    if (!begin) {
        if (!links_were_there) // the pins are of this start; in a dry run all of them are
            (void)xdp::Filter::remove_pins(config->pin_directory);
        return begin.error();
    }
    if (hooks)
        if (auto done = HookCalls::set_up(*hooks, first->hooks.account); !done) {
            if (!links_were_there)
                (void)xdp::Filter::remove_pins(config->pin_directory);
            return done.error();
        }
    spdlog::info("judgement begins with {}", *begin);
    return std::make_unique<Daemon>(
        Parts{std::make_unique<config::Config>(*std::move(config)), *std::move(files), *std::move(worker),
              std::move(hooks), *std::move(nft), *std::move(ruleset), *std::move(sessions),
              open_sockets(options.dry_run), *std::move(own_addresses), *std::move(forwarding), *std::move(filter),
              owned, *begin, links_were_there, std::move(trial), std::move(panic), options.dry_run, last_good_stands});
}

} // namespace

Result<void> take_gate_away(const config::Config& config, nft::Socket& nft) {
    Result<void> done;
    const bool external = config.gate_mode == config::GateMode::external;
    if (external) {
        const Now now = Now::read();
        Grants pinholes(nft, std::make_shared<const config::Config>(config));
        done = pinholes.adopt(now);
        for (const bool v4 : {true, false})
            if (auto closed = pinholes.close_prefix(Prefix::parse(v4 ? "0.0.0.0/0" : "::/0").value(), now); !closed)
                done = closed.error();
    }
    // Also where the mode is another one by now; but never a table that is the administrator's own.
    if (!external || config.external.table != nft::kTable)
        if (auto removed = nft::remove_ruleset(nft); !removed)
            done = removed;
    if (auto removed = xdp::Filter::remove_pins(config.pin_directory); !removed)
        done = removed;
    if (auto removed = forget_last_good(config.state_directory); !removed)
        done = removed;
    (void)remove_file(config.run_directory + "/" + BanFile::kName,
                      false); // bans go with the gate, and so do their owners
    return done;
}

void say_shut(const Options& options, const Error& why) {
    if (options.dry_run || why.exit == Exit::busy) // which judges
        return;
    auto nft = nft::Socket::open();
    const auto there = nft ? nft::ruleset_exists(*nft) : Result<bool>(nft.error());
    if (!there || !*there)
        return;
    const std::string text =
        "shut, judging nothing: " + why.message.substr(0, why.message.find('\n')) +
        "; the way out: mend it and \"systemctl start xknockd\", or \"xknockd --remove\", which opens "
        "the ports";
    spdlog::critical("{}", text);
    notify("STATUS=" + text);
}

Error forget_trial(const config::Config& config, Trial& trial) {
    // A file that stays ends the next start, which is better than a gate that nobody confirmed.
    if (auto done = trial.forget(); !done)
        log::error(done.error());
    const bool external = config.gate_mode == config::GateMode::external;
    spdlog::critical("the trial is over and nobody confirmed it: ruleset, filter and grants were taken away, {}",
                     external ? "your own rules stay as they are" : "the ports are open");
    return Error{"a trial that was not confirmed is over",
                 "\"systemctl start xknockd\" starts as ever; \"knockctl try 5m\" on trial", Exit::trial_over};
}

Result<void> remove_traces(const std::string& config_file) {
    // This is what opens the ports when nothing else does, so it needs no good configuration.
    Error fault;
    const config::Config c = load_or_guess(config_file, &fault);
    if (!fault.message.empty()) {
        log::error(fault);
        spdlog::warn("cleared are {}, {} and {}", c.run_directory, c.state_directory, c.pin_directory);
    }
    // It would put everything back.
    if (StateFiles::is_held(c.run_directory))
        return Error{"xknockd runs", "systemctl stop xknockd", Exit::busy};
    auto nft = nft::Socket::open();
    if (!nft)
        return nft.error();
    if (auto done = take_gate_away(c, *nft); !done)
        return done;
    for (const char* name : {"state", "state.next", "lock", "owners", "control.sock"})
        (void)remove_file(c.run_directory + "/" + name, false);
    (void)remove_file(Interfaces::file_in(c.state_directory), false);
    Trial trial = Trial::read(c.state_directory, c.account.uid);
    return trial.is_on() ? trial.forget() : Result<void>();
}

} // namespace xk
