// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/startup.h"

#include "daemon/lifecycle/early_gate.h"
#include "daemon/lifecycle/notify.h"
#include "daemon/lifecycle/ssh_session.h"
#include "daemon/lifecycle/steps.h"
#include "daemon/log.h"
#include "daemon/nft/ruleset.h"
#include "daemon/privsep/privileges.h"
#include "daemon/xdp/dispatcher.h"
#include "protocol/base/directory.h"
#include "protocol/base/quote.h"

#include <sys/resource.h>

namespace xk {
namespace {

// The time of this release, compiled in. A clock below it is certainly wrong.
constexpr std::int64_t kReleaseTime = XK_RELEASE_TIME;

// Makes the directories that we write to. Where systemd starts us as our own user, systemd and tmpfiles.d have made
// them already.
Result<void> prepare_directories(const config::Config& config) {
    const std::pair<const std::string&, mode_t> directories[] = {
        {config.run_directory, 0755}, // all users may reach the control socket, which checks the peer's user
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

// Sets the worker up. Returns where its memory comes from, as text for the log and for status.
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

// Returns null where the kernel cannot list sockets.
std::unique_ptr<nft::Sockets> open_sockets(bool dry_run) {
    if (dry_run)
        return {};
    auto sockets = nft::Sockets::open_sock_diag();
    if (!sockets) {
        log::error(std::move(sockets).error().within("sessions of this host end by its rules alone"));
        return {};
    }
    if (!(*sockets)->can_end())
        log::warn("this kernel cannot end sockets (CONFIG_INET_DIAG_DESTROY): sessions end by the rules alone, and "
                  "programs hear of it with their next packet");
    return *std::move(sockets);
}

// The steps of a start until a Daemon can begin, and the parts that they have made so far.
class Startup {
  public:
    Startup(const Options& options, EarlyGate& early) : options_(options), early_(early) {}

    Result<std::unique_ptr<Daemon>> run();

  private:
    Result<void> check_host();
    Result<void> check_lockout() const;
    Result<void> open_state();
    Result<void> spawn_children();
    Result<void> read_again();
    Result<void> enter_trial();
    Result<void> open_nftables();
    Result<void> open_host();
    Result<void> load();
    void unload() const;
    Result<void> set_up_children();
    Parts parts();

    const Options& options_;
    EarlyGate& early_;
    std::optional<config::Config> first_; // the configuration as it was read before privileges were dropped
    std::optional<config::Config> config_;
    Bytes<16> boot_id_{};
    std::optional<StateFiles> files_;
    bool links_were_there_ = false;
    std::optional<Trial> trial_;
    std::optional<Panic> panic_;
    std::optional<privsep::Child> worker_, hooks_;
    std::optional<nft::Socket> nft_;
    bool owned_ = false;
    std::optional<nft::Watch> ruleset_;
    std::optional<std::unique_ptr<nft::Sessions>> sessions_;
    std::optional<xdp::OwnAddresses> own_addresses_;
    std::optional<xdp::Forwarding> forwarding_;
    std::unique_ptr<xdp::Filter> filter_;
    std::string gate_begin_;
};

// Moves an opened part into its place, or returns its error.
template <typename T>
Result<void> keep(std::optional<T>& place, Result<T> opened) {
    if (!opened)
        return std::move(opened).error();
    place.emplace(*std::move(opened));
    return {};
}

// Runs as root, or as our own user with the capabilities of the unit. It changes nothing on the host, except that it
// takes the gate away where a trial is over.
Result<void> Startup::check_host() {
    if (auto done = keep(
            first_, config::load_config(options_.config_file, config::Identity::required, config::UserFaults::disable));
        !done)
        return done;
    if (auto done = privsep::check_capabilities(); !done)
        return done;
    if (first_->coexist)
        if (auto done = xdp::check_dispatcher(); !done)
            return done;
    if (auto done = early_.check_trial(*first_); !done)
        return done;
    return Interfaces(first_->state_directory, first_->account.uid).check(first_->interfaces);
}

// Refuses a start that would lock out the operator who starts it.
Result<void> Startup::check_lockout() const {
    if (options_.dry_run)
        return {};
    const bool only_warn = options_.trial.has_value();
    if (!options_.force)
        if (auto done = check_session(*first_, only_warn); !done)
            return early_.refuse(done.error());
    if (auto done = check_way_in(*first_, only_warn); !done)
        return early_.refuse(done.error());
    return {};
}

Result<void> Startup::open_state() {
    if (auto done = prepare_directories(*first_); !done)
        return done;
    const auto boot_id = read_boot_id();
    if (!boot_id)
        return boot_id.error();
    boot_id_ = *boot_id;

    // Kernels below 5.11 count BPF maps against this limit. As root we may lift it; otherwise the unit does.
    const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
    (void)::setrlimit(RLIMIT_MEMLOCK, &all);

    if (auto done = keep(files_, StateFiles::open(first_->run_directory, first_->state_directory, first_->account.uid,
                                                  first_->account.gid, first_->worker_account.uid, boot_id_,
                                                  first_->replay_entries));
        !done)
        return done;
    links_were_there_ = xdp::Filter::has_links(first_->pin_directory);
    if (options_.dry_run && links_were_there_)
        return Error{"the filter of an xknockd that was stopped is attached",
                     "\"xknockd --remove\" takes it away, and opens the ports"};
    xdp::Filter::remove_dry_run(first_->pin_directory); // a dry run that was killed leaves pins
    trial_ = Trial::read(first_->state_directory, first_->account.uid);
    panic_ = options_.dry_run ? Panic::none(first_->state_directory)
                              : Panic::read(first_->state_directory, first_->account.uid);
    return {};
}

// The worker and xknock-hooks need CAP_SETUID to change to their own users. No later step needs it, so it is dropped
// here.
Result<void> Startup::spawn_children() {
    if (auto done = keep(worker_, privsep::spawn_child(options_.worker_executable)); !done)
        return done;
    if (first_->hooks.any())
        if (auto done = keep(hooks_, HookCalls::start(options_.hooks_executable)); !done)
            return done;
    return privsep::keep_capabilities(first_->account.uid, first_->account.gid,
                                      first_->coexist || xdp::Filter::has_shares(first_->pin_directory));
}

// Reads the configuration with the rights that a reload will have. A file that only root can read must fail now, and
// not at the first reload.
Result<void> Startup::read_again() {
    const std::string who = "user " + first_->account.name + " must be able to read the configuration (group " +
                            std::to_string(first_->account.gid) + ")";
    if (auto done = keep(config_, config::load_config(options_.config_file, config::Identity::required,
                                                      config::UserFaults::disable));
        !done) {
        Error error = std::move(done).error();
        error.hint = who;
        return error;
    }
    if (config_->disabled.size() > first_->disabled.size())
        log::error("{}", who);
    for (const std::string& warning : config_->warnings)
        log::warn("{}", warning);
    return {};
}

Result<void> Startup::enter_trial() {
    if (options_.trial)
        return trial_->begin_trial(*options_.trial, BootClock::now());
    if (trial_->is_on() && !options_.dry_run)
        if (auto done = trial_->keep(); !done) // a full disk does not end the trial
            log::error(done.error());
    return {};
}

Result<void> Startup::open_nftables() {
    const bool table = config_->gate_mode == config::GateMode::table;
    if (auto done = keep(nft_, options_.dry_run ? nft::Socket::dry() : early_.open_nft()); !done)
        return done;
    owned_ = !options_.dry_run && table && config_->gate_owned && nft::can_own(*nft_);
    // A dry run has no table. No table has an empty name, so the watch of a dry run never reports a change.
    const std::string name = options_.dry_run ? "" : table ? nft::kTable : config_->external.table;
    if (auto done = keep(ruleset_, nft::Watch::open_watch(name, nft_->port())); !done)
        return done;
    return keep(sessions_, nft::Sessions::open_conntrack());
}

Result<void> Startup::open_host() {
    if (auto done = keep(own_addresses_, xdp::OwnAddresses::open()); !done)
        return done;
    return keep(forwarding_, xdp::Forwarding::open());
}

Result<void> Startup::load() {
    auto filter = load_filter(*config_, options_.dry_run);
    if (!filter)
        return filter.error();
    filter_ = *std::move(filter);
    return {};
}

// If no filter was attached before, all pins were made by this start.
void Startup::unload() const {
    if (options_.dry_run) // its pins are in a directory of their own
        return xdp::Filter::remove_dry_run(config_->pin_directory);
    if (links_were_there_)
        return;
    if (auto done = xdp::Filter::remove_pins(config_->pin_directory); !done)
        log::error(done.error());
}

Result<void> Startup::set_up_children() {
    const auto begin = begin_worker(*worker_, *config_, filter_->ring_fd(), *files_, boot_id_);
    if (!begin)
        return begin.error();
    gate_begin_ = *begin;
    if (hooks_)
        if (auto done = HookCalls::set_up(*hooks_, first_->hooks.account); !done)
            return done;
    log::info("judgement begins with {}", gate_begin_);
    return {};
}

Parts Startup::parts() {
    return {.config = std::make_shared<config::Config>(*std::move(config_)),
            .state_files = *std::move(files_),
            .worker = *std::move(worker_),
            .hooks = std::move(hooks_),
            .nft = *std::move(nft_),
            .ruleset = *std::move(ruleset_),
            .sessions = *std::move(sessions_),
            .sockets = open_sockets(options_.dry_run),
            .own_addresses = *std::move(own_addresses_),
            .forwarding = *std::move(forwarding_),
            .filter = std::move(filter_),
            .owned = owned_,
            .gate_begin = gate_begin_,
            .links_were_there = links_were_there_,
            .trial = *std::move(trial_),
            .panic = *std::move(panic_),
            .dry_run = options_.dry_run,
            .last_good_stands = early_.last_good_stands()};
}

Result<std::unique_ptr<Daemon>> Startup::run() {
    const Step steps[] = {
        {[this] { return check_host(); }, {}},
        {[this] { return check_lockout(); }, {}},
        {[this] { return open_state(); }, {}},
        {[this] { return spawn_children(); }, {}},
        {[this] { return read_again(); }, {}},
        {[this] { return enter_trial(); }, {}},
        {[this] { return open_nftables(); }, {}},
        {[this] { return open_host(); }, {}},
        {[this] { return load(); }, [this] { unload(); }},
        {[this] { return set_up_children(); }, {}},
    };
    if (auto done = carry_out(steps); !done)
        return done.error();
    return std::make_unique<Daemon>(parts());
}

} // namespace

Result<std::unique_ptr<Daemon>> start_up(const Options& options) {
    EarlyGate early(options, kept_descriptor("nft")); // before anything else is opened or started
    early.put_up_last_good();
    auto daemon = Startup(options, early).run();
    if (!daemon && daemon.error().exit != Exit::trial_over && !options.dry_run)
        early.abandon_trial();
    return daemon;
}

} // namespace xk
