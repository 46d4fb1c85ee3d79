// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/trial.h"

#include "daemon/lifecycle/trial.h"
#include "protocol/base/directory.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace xk::tools {
namespace {

constexpr const char* kUnit = "xknockd.service";

} // namespace

Result<void> run_systemctl(const std::string& verb) {
    std::string name = "systemctl", quiet = "--quiet", word = verb, unit = kUnit;
    char* arguments[] = {name.data(), quiet.data(), word.data(), unit.data(), nullptr};
    pid_t pid = -1;
    if (const int failure = ::posix_spawnp(&pid, name.c_str(), nullptr, nullptr, arguments, environ); failure != 0)
        return os_error_of(failure, "running systemctl", "without systemd: xknockd --try 5m");
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return Error{"systemctl " + word + " " + unit + " failed", "journalctl -u xknockd"};
    return {};
}

Result<void> start_on_trial(const config::Config& config, std::chrono::seconds time) {
    if (::geteuid() != 0)
        return Error{"only root can start xknockd on trial", "sudo knockctl try"};
    // systemd makes the directory too, but later.
    const config::Account& account = config.account;
    if (auto done = make_directory(config.state_directory, 0700, account.uid, account.gid); !done)
        return done;
    Trial trial = Trial::read(config.state_directory, config.account.uid);
    if (auto done = trial.begin_for_daemon(time, BootClock::now()); !done)
        return done;
    auto started = run_systemctl("start");
    if (started)
        return started;
    // systemd may start it again. Without the file that start would not be on trial, and the gate would stay.
    (void)run_systemctl("stop");
    if (auto done = trial.forget(); !done)
        return done;
    return started;
}

} // namespace xk::tools
