// SPDX-License-Identifier: MIT
#include "daemon/privsep/spawn.h"

#include "protocol/base/quote.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

namespace xk::privsep {

Result<Child> spawn_child(const std::string& executable, const std::string& name) {
    auto ends = Channel::pair();
    if (!ends)
        return ends.error();
    auto& [ours, theirs] = *ends;

    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    // The action clears close-on-exec even if both numbers are the same (glibc 2.29).
    ::posix_spawn_file_actions_adddup2(&files, theirs.fd(), kWorkerChannel);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    char* arguments[] = {const_cast<char*>(name.c_str()), nullptr};
    pid_t pid = -1;
    const int failure = ::posix_spawn(&pid, executable.c_str(), &files, &attributes, arguments, environ);
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
    if (failure != 0)
        return os_error_of(failure, "starting " + in_quotes(executable));
    // A worker that does not read must not block xknockd.
    if (::fcntl(ours.fd(), F_SETFL, O_NONBLOCK) != 0)
        return os_error("setting up the channel to " + name);
    return Child{pid, std::move(ours)};
}

} // namespace xk::privsep
