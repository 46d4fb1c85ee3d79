// SPDX-License-Identifier: MIT
#include "daemon/hooks/runner.h"

#include "daemon/hooks/request.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace xk::hooks {
namespace {

bool is_same(const Subject& a, const Subject& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (std::string& text : texts)
        all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

// Runs in the child. `errors` becomes standard error. Its first line is reported.
[[noreturn]] void become_hook(char* const* arguments, char* const* environment, int errors, pid_t parent) {
    ::setsid();
    // The hook must not outlive the runner, because no other process enforces the time limit.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != parent)
        ::_exit(127);
    for (int signal = 1; signal < NSIG; ++signal)
        std::signal(signal, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0 && ::dup2(null, STDIN_FILENO) >= 0 && ::dup2(null, STDOUT_FILENO) >= 0 &&
        ::dup2(errors, STDERR_FILENO) >= 0 && ::close_range(STDERR_FILENO + 1, ~0u, 0) == 0 && ::chdir("/") == 0)
        ::execve(arguments[0], arguments, environment);
    ::dprintf(STDERR_FILENO, "it cannot be run: %s\n", std::strerror(errno));
    ::_exit(127);
}

} // namespace

Result<Runner> Runner::make(const privsep::Channel& channel) {
    std::signal(SIGTERM, SIG_DFL); // an ignored signal does not reach signalfd
    sigset_t ours;
    ::sigemptyset(&ours);
    ::sigaddset(&ours, SIGCHLD);
    ::sigaddset(&ours, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &ours, nullptr);
    Fd signals(::signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals)
        return os_error("setting up signals");
    return Runner(channel, std::move(signals));
}

Runner::~Runner() {
    for (const Hook& hook : running_)
        hook.kill();
}

Result<Runner::End> Runner::run() {
    for (;;) {
        wait_for_work();
        if (is_terminated())
            return End::terminated;
        end_overdue();
        reap();
        const auto open = receive_requests();
        if (!open)
            return open.error();
        if (!*open)
            return End::channel_closed;
        start_waiting();
    }
}

// Waits for a request, a signal, a deadline or output of a hook. It reads the hooks' standard error, so that no hook
// blocks on a full pipe.
void Runner::wait_for_work() {
    std::vector<pollfd> fds = {{channel_->fd(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    auto until = Clock::time_point::max();
    for (const Hook& hook : running_) {
        fds.push_back({hook.errors.get(), POLLIN, 0}); // -1 where the hook has closed it: poll(2) ignores that
        until = std::min(until, hook.overdue ? Clock::time_point::max() : hook.deadline);
    }
    int patience = -1;
    if (until != Clock::time_point::max())
        patience = static_cast<int>(
            std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count()));
    ::poll(fds.data(), fds.size(), patience);
    for (std::size_t i = 0; i < running_.size(); ++i)
        if (fds[i + 2].revents != 0)
            running_[i].read_errors();
}

bool Runner::is_terminated() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info)
        if (info.ssi_signo == SIGTERM)
            return true;
    return false;
}

void Runner::end_overdue() {
    for (Hook& hook : running_)
        if (!hook.overdue && Clock::now() >= hook.deadline) {
            hook.overdue = true;
            hook.kill();
        }
}

void Runner::reap() {
    std::erase_if(running_, [&](Hook& hook) { return reap(hook); });
}

bool Runner::reap(Hook& hook) {
    siginfo_t info{};
    const auto pid = static_cast<id_t>(hook.pid);
    if (::waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != hook.pid)
        return false;
    hook.kill(); // before waitpid(2), because until then no other process can get this pid
    hook.read_errors();
    ::waitpid(hook.pid, nullptr, 0);
    if (hook.overdue)
        report(hook.request, Outcome::overdue, 0, hook.says);
    else if (info.si_code != CLD_EXITED)
        report(hook.request, Outcome::killed, info.si_status, hook.says);
    else
        report(hook.request, info.si_status == 0 ? Outcome::done : Outcome::failed, info.si_status, hook.says);
    return true;
}

// Returns false when the channel is closed.
Result<bool> Runner::receive_requests() {
    for (;;) {
        auto received = channel_->receive(false);
        if (!received)
            return received.error();
        if (channel_->closed())
            return false;
        if (!*received)
            return true;
        const auto request = privsep::as<Run>(**received);
        if (!request || !arguments_of(*request))
            return Error{"xknockd sent a malformed request", {}, Exit::bug};
        if (waiting_.size() == kMaxWaiting)
            start_waiting();
        if (waiting_.size() == kMaxWaiting)
            report(*request, Outcome::dropped, 0);
        else
            waiting_.push_back(*request);
    }
}

void Runner::start_waiting() {
    for (auto next = waiting_.begin(); next != waiting_.end() && running_.size() < kMaxRunning;) {
        if (is_running(next->subject)) {
            ++next;
            continue;
        }
        start_hook(*next);
        next = waiting_.erase(next);
    }
}

bool Runner::is_running(const Subject& subject) const {
    return std::any_of(running_.begin(), running_.end(),
                       [&](const Hook& h) { return is_same(h.request.subject, subject); });
}

void Runner::start_hook(const Run& request) {
    auto arguments = *arguments_of(request);
    auto environment = environment_of(request);
    const auto argv = pointers_to(arguments), envp = pointers_to(environment);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return report(request, Outcome::failed, 127, std::string("it cannot be started: ") + std::strerror(errno));
    Fd errors(ends[0]);
    const Fd theirs(ends[1]);
    ::fcntl(errors.get(), F_SETFL, O_NONBLOCK);
    const pid_t self = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0)
        become_hook(argv.data(), envp.data(), theirs.get(), self);
    if (pid < 0)
        return report(request, Outcome::failed, 127, std::string("it cannot be started: ") + std::strerror(errno));
    running_.push_back(
        {pid, request, Clock::now() + std::chrono::seconds(request.time_limit), false, std::move(errors), {}});
}

// This never waits: a report is lost if xknockd has not read the earlier ones.
void Runner::report(const Run& request, Outcome outcome, int code, const std::string& says) {
    Report message;
    message.outcome = outcome;
    message.event = request.event;
    message.code = code;
    message.subject = request.subject;
    says.substr(0, says.find('\n')).copy(message.says, kMaxSays - 1);
    (void)channel_->try_send({reinterpret_cast<const std::uint8_t*>(&message), sizeof message});
}

void Runner::Hook::read_errors() {
    char text[4096];
    // Reads at most the capacity of a pipe (64 KiB): a hook that writes without a pause must not stop the others.
    for (int i = 0; i < 16; ++i) {
        const ssize_t n = ::read(errors.get(), text, sizeof text);
        if (n == 0)
            errors.reset();
        if (n <= 0)
            return;
        if (says.size() < kMaxSays)
            says.append(text, static_cast<std::size_t>(n)).resize(std::min(says.size(), kMaxSays));
    }
}

void Runner::Hook::kill() const {
    ::kill(-pid, SIGKILL);
    ::kill(pid, SIGKILL); // it may not have called setsid(2) yet
}

} // namespace xk::hooks
