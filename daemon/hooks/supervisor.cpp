// SPDX-License-Identifier: MIT
#include "daemon/hooks/supervisor.h"

#include "daemon/hooks/runner.h"
#include "daemon/privsep/privileges.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace xk::hooks {
namespace {

constexpr unsigned kPause = 1; // seconds before another Runner starts

// The unit protects xknockd and its children from the OOM killer. The hooks must be killed before xknockd.
void be_killed_first() {
    const Fd score(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
    (void)!::write(score.get(), "500", 3);
}

[[noreturn]] void be_runner(const privsep::Channel& channel, pid_t supervisor) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    bool over = false;
    if (::getppid() == supervisor)
        if (auto runner = Runner::make(channel)) {
            const auto end = runner->run();
            over = end && *end == Runner::End::channel_closed;
        } // ~Runner() kills the hooks
    ::_exit(over ? 0 : 1);
}

// Waits for the runner. Every other child is a process that a hook left behind; its process group is killed with it.
int status_of(pid_t runner) {
    for (;;) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) != 0)
            continue;
        ::kill(-info.si_pid, SIGKILL); // before waitpid(2), because until then no other process can get this pid
        int status = 0;
        ::waitpid(info.si_pid, &status, 0);
        if (info.si_pid == runner)
            return status;
    }
}

} // namespace

Result<void> set_up(const privsep::Channel& channel) {
    auto received = channel.receive(true);
    if (!received)
        return received.error();
    const auto setup = *received ? privsep::as<Setup>(**received) : std::nullopt;
    if (!setup)
        return Error{"xknockd sent a malformed set-up", {}, Exit::bug};
    be_killed_first(); // after the change of user /proc/self belongs to root
    ::umask(077);
    if (auto done = privsep::become_nobody(setup->uid, setup->gid); !done)
        return done;
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
        return os_error("becoming the parent of what a runner leaves behind");
    return privsep::send(channel, Ready{});
}

Result<void> supervise_runner(const privsep::Channel& channel) {
    const pid_t self = ::getpid();
    for (;;) {
        const pid_t runner = ::fork();
        if (runner < 0)
            return os_error("starting the runner of hooks", "TasksMax of the unit may be too small");
        if (runner == 0)
            be_runner(channel, self);
        const int status = status_of(runner);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            return {};
        Report report;
        report.outcome = Outcome::restarted;
        report.code = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        (void)channel.try_send({reinterpret_cast<const std::uint8_t*>(&report), sizeof report});
        ::sleep(kPause);
    }
}

} // namespace xk::hooks
