// SPDX-License-Identifier: MIT
// The loop: the descriptors that it watches, and the reactions to them.
#include "daemon/lifecycle/daemon.h"

#include "daemon/lifecycle/notify.h"
#include "daemon/lifecycle/verb_ports.h"
#include "daemon/log.h"
#include "daemon/verbs/verbs.h"

#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <csignal>

namespace xk {
namespace {

constexpr std::chrono::seconds kTick{1};

} // namespace

Result<void> Daemon::open_control() {
    auto control = control::Server::listen_at(config().run_directory + "/control.sock",
                                              {config().admin_group, config().read_group},
                                              [this](const control::Peer& peer, const std::string& request) {
                                                  control::Reply reply = verbs_->reply_to(peer, request);
                                                  after_changes(Now::read());
                                                  return reply;
                                              });
    if (!control)
        return control.error();
    control_.emplace(*std::move(control));
    return {};
}

Result<void> Daemon::open_timers() {
    sigset_t handled;
    ::sigemptyset(&handled);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD})
        ::sigaddset(&handled, signal);
    ::sigprocmask(SIG_BLOCK, &handled, nullptr);
    copies_.emplace(parts_.state_files); // its thread inherits the blocked signals
    signals_.reset(::signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
    ticks_.reset(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    const timespec second{kTick.count(), 0};
    const itimerspec every{second, second};
    if (!signals_ || !ticks_ || ::timerfd_settime(ticks_.get(), 0, &every, nullptr) != 0)
        return os_error("setting up signals and timers");
    return {};
}

Result<void> Daemon::watch_everything() {
    auto loop = Loop::make();
    if (!loop)
        return loop.error();
    loop_.emplace(*std::move(loop));
    if (auto done = open_control(); !done)
        return done;
    if (auto done = open_timers(); !done)
        return done;
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
    (void)sleep_watch_.has_slept(time_asleep()); // the first value to compare with
    return {};
}

void Daemon::fail(Error error) {
    if (!failure_)
        failure_ = std::move(error);
    if (loop_)
        loop_->stop();
}

void Daemon::on_worker() { monitor_.on_readable(); }

void Daemon::on_worker_end(Error error) { fail(std::move(error)); }

void Daemon::on_request_answered(const Now& now) {
    after_changes(now);
    save_state(now);
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
    const auto done = control_->accept_clients([this](int fd) { watch_client(fd); });
    control_error_.on_result(done);
    if (!done)
        loop_->change(control_->listen_fd(), 0); // until the next tick
}

void Daemon::watch_client(int fd) {
    (void)loop_->watch(fd, [this, fd](std::uint32_t) {
        if (!control_->serve_client(fd)) {
            loop_->forget(fd);
            return control_->admit_waiting([this](int next) { watch_client(next); });
        }
        // Never waits for both: during a reply the input is not read, so EPOLLIN would wake the loop again and again.
        loop_->change(fd, control_->wants_write(fd) ? EPOLLOUT : EPOLLIN);
    });
}

void Daemon::on_tick() {
    std::uint64_t count;
    (void)!::read(ticks_.get(), &count, sizeof count);
    if (!run_tick(*this, Now::read()))
        return loop_->stop();
    log_sink_.on_tick(BootClock::now());
    // systemd's watchdog gets its message only while the worker answers.
    if (monitor_.on_tick())
        notify("WATCHDOG=1");
}

} // namespace xk
