// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/daemon.h"

#include "daemon/lifecycle/credential_status.h"
#include "daemon/lifecycle/notify.h"
#include "daemon/lifecycle/ssh_session.h"
#include "daemon/lifecycle/verb_ports.h"
#include "daemon/log.h"
#include "daemon/verbs/verbs.h"
#include "protocol/base/duration.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace xk {
namespace {

constexpr std::chrono::seconds kTick{1};

// Nobody listens yet.
struct NoEvents final : authz::EventSink {
    void on_event(const authz::Event&) override {}
} no_events;

} // namespace

Daemon::Daemon(Parts parts)
    : parts_(std::move(parts)), hook_calls_(std::move(parts_.hooks), *parts_.config),
      grants_(parts_.nft, parts_.config), worker_bans_(monitor_),
      bans_({.sets = parts_.nft, .grants = grants_, .listener = worker_bans_, .sink = hook_calls_},
            xdp::ban_filter_of(*parts_.filter), parts_.config),
      syn_guard_(*parts_.filter, [](const std::string& note) { spdlog::warn("{}", note); }),
      syn_drop_(syn_guard_, grants_), owners_(grants_),
      lifetimes_({std::move(parts_.sessions), std::move(parts_.sockets), parts_.nft}, grants_, owners_, hook_calls_),
      tags_(*parts_.filter), worker_grants_(grants_, bans_, parts_.panic, [this] { return own_addresses(); }),
      monitor_(std::move(parts_.worker), {.tags = tags_, .grants = worker_grants_, .owner = *this, .events = no_events},
               {.dry_run = parts_.dry_run}),
      grant_events_(grants_, hook_calls_),
      interfaces_(parts_.dry_run ? "" : config().state_directory, config().account.uid), started_(BootClock::now()) {
    grant_events_.add_listener(syn_drop_);
    grant_events_.add_listener(owners_);
    grant_events_.add_listener(lifetimes_);
}

Daemon::~Daemon() = default;

std::set<Address> Daemon::own_addresses() const {
    return config().local_addresses ? *config().local_addresses : parts_.own_addresses.all();
}

const Records& Daemon::find_records() {
    records_.find(config().policy, state());
    return records_;
}

Result<void> Daemon::watch_everything() {
    auto loop = Loop::make();
    if (!loop)
        return loop.error();
    loop_.emplace(*std::move(loop));
    verb_ports_ = std::make_unique<VerbPorts>(*this);
    verbs_ = std::make_unique<verbs::Verbs>(verbs::all_verbs(*verb_ports_), no_events);
    auto control =
        control::Server::open(config().run_directory + "/control.sock", {config().admin_group, config().read_group},
                              [this](const control::Peer& peer, const std::string& request) {
                                  control::Answer reply = verbs_->answer(peer, request);
                                  after_changes(Now::read());
                                  return reply;
                              });
    if (!control)
        return control.error();
    control_.emplace(*std::move(control));

    sigset_t handled;
    ::sigemptyset(&handled);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD})
        ::sigaddset(&handled, signal);
    ::sigprocmask(SIG_BLOCK, &handled, nullptr);
    copies_.emplace(parts_.state_files);
    signals_.reset(::signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
    ticks_.reset(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    const timespec second{kTick.count(), 0};
    const itimerspec every{second, second};
    if (!signals_ || !ticks_ || ::timerfd_settime(ticks_.get(), 0, &every, nullptr) != 0)
        return os_error("setting up signals and timers");

    auto links = xdp::LinkWatch::open();
    if (!links)
        return links.error();
    links_.emplace(*std::move(links));

    const std::pair<int, void (Daemon::*)()> sources[] = {{monitor_.channel().fd(), &Daemon::on_worker},
                                                          {signals_.get(), &Daemon::on_signal},
                                                          {parts_.own_addresses.poll_fd(), &Daemon::on_addresses},
                                                          {parts_.forwarding.poll_fd(), &Daemon::on_forwarding},
                                                          {parts_.ruleset.poll_fd(), &Daemon::on_ruleset},
                                                          {links_->poll_fd(), &Daemon::on_links},
                                                          {control_->listen_fd(), &Daemon::on_control},
                                                          {worker_grants_.timer_fd(), &Daemon::on_settle},
                                                          {ticks_.get(), &Daemon::on_tick}};
    for (const auto& [fd, reaction] : sources)
        if (auto done = loop_->watch(fd, [this, react = reaction](std::uint32_t) { (this->*react)(); }); !done)
            return done;
    if (hook_calls_.fd() >= 0)
        if (auto done = loop_->watch(hook_calls_.fd(), [this](std::uint32_t) { on_hooks(); }); !done)
            return done;
    notice_sleep(Now::read());
    return {};
}

Result<void> Daemon::run() {
    // Kept by systemd, so that the table has its owner also while nobody of us lives.
    if (parts_.owned)
        notify("FDSTORE=1\nFDNAME=nft\nFDPOLL=0", parts_.nft.fd());
    log_statuses(config().policy, records_, state(), Now::read());
    if (!parts_.dry_run && !ruleset_was_there_)
        log_sessions(config(), own_addresses());
    if (parts_.trial.is_on())
        spdlog::warn("on trial: everything is taken away in {} unless \"knockctl confirm\" comes before",
                     duration_text(parts_.trial.left(BootClock::now())));
    if (parts_.dry_run)
        spdlog::warn("a dry run: knocks are judged and logged, and nothing is shut or opened");
    keep_last_good();
    const std::size_t out = config().disabled.size();
    spdlog::info("ready: {} credentials{}, knock port {}, interfaces {}, {} grants, {} bans",
                 config().policy.credentials.size(),
                 out == 0 ? "" : " (disabled by faults: " + std::to_string(out) + ")", config().port,
                 interfaces_.text(), grants_.book().pinholes(), bans_.list().all().size());
    notify("READY=1");
    notify_status();
    auto ended = loop_->run();
    notify("STOPPING=1");
    grants_.settle(Now::read());
    syn_drop_.switch_off(); // nobody tells the filter any more which addresses are this host's
    // First of all: who is locked out waits for it.
    if (auto gone = stays() ? Result<void>() : take_away(); !gone)
        return gone;
    if (failure_)
        return *failure_;
    if (!ended)
        return ended;

    hook_calls_.stop();
    // The worker first, so that nothing is accepted after the copy was written.
    monitor_.stop();
    copies_.reset();
    if (auto saved = parts_.state_files.save(Now::read(), true); !saved)
        log::error(saved.error());
    if (auto saved = owners_.save(); !saved)
        log::error(saved.error());
    if (stays())
        spdlog::info("stopped; the ruleset, the filter and {} grants stay", grants_.book().pinholes());
    return end_of_trial();
}

void Daemon::fail(Error error) {
    if (!failure_)
        failure_ = std::move(error);
    loop_->stop();
}

void Daemon::on_worker() { monitor_.on_readable(); }
void Daemon::on_worker_end(Error error) { fail(std::move(error)); }

void Daemon::on_request_answered(const Now& now) {
    after_changes(now);
    save_state_lazily(now);
}

void Daemon::on_settle() { worker_grants_.on_timer(); }

void Daemon::after_changes(const Now& now) { grant_events_.report(config().policy, now); }

void Daemon::on_hooks() {
    const int fd = hook_calls_.fd();
    if (!hook_calls_.receive())
        loop_->forget(fd);
}

void Daemon::on_signal() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            return loop_->stop();
        if (info.ssi_signo == SIGHUP) {
            if (auto done = reload(); !done)
                log::error(done.error());
            continue;
        }
        hook_calls_.on_child();
        monitor_.on_child();
    }
}

void Daemon::on_control() {
    control_->accept([this](int fd) { watch_client(fd); });
}

void Daemon::watch_client(int fd) {
    (void)loop_->watch(fd, [this, fd](std::uint32_t) {
        if (!control_->serve(fd)) {
            loop_->forget(fd);
            return control_->admit([this](int next) { watch_client(next); });
        }
        // One or the other: input that nobody reads would wake us for ever.
        loop_->change(fd, control_->wants_write(fd) ? EPOLLOUT : EPOLLIN);
    });
}

void Daemon::on_tick() {
    std::uint64_t count;
    (void)!::read(ticks_.get(), &count, sizeof count);
    const Now now = Now::read();
    // A panic outlasts a trial: the ports must not open while it lasts.
    if (parts_.trial.is_over(now.boot) && !parts_.panic.is_on())
        return loop_->stop();
    notice_sleep(now);
    notice_generation();
    grants_.expire(now.boot);
    if (auto done = grants_.end_barred(now); !done)
        log::error(done.error());
    after_changes(now);
    syn_drop_.on_tick(now.boot);
    look_after_sessions(now); // before bans are over: a short one ends sessions too
    look_after_panic();
    bans_.expire(now);
    hook_calls_.on_tick(now.boot);
    tags_.expire(now.boot);
    if (std::exchange(ruleset_unknown_, false)) {
        repair({.objects = false, .elements = false, .lost = true, .by = {}});
        // What did not fit this time was our own; what somebody else did meanwhile is seen to.
        const auto more = parts_.ruleset.update();
        if (more && *more && ((*more)->objects || (*more)->elements))
            repair(**more);
    }
    look_after_interfaces();
    control_->drop_idle(now.boot);
    control_->admit([this](int fd) { watch_client(fd); });
    save_state_lazily(now);

    // systemd's watchdog is fed only while the worker answers.
    if (monitor_.tick())
        notify("WATCHDOG=1");
}

} // namespace xk
