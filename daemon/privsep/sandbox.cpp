// SPDX-License-Identifier: MIT
#include "daemon/privsep/sandbox.h"

#include "daemon/privsep/channel.h"
#include "daemon/privsep/landlock.h"
#include "daemon/privsep/privileges.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <memory>

namespace xk::privsep {
namespace {

static_assert(kMostDescriptors > 3 * kMaxFds + 16);

// The limit is RLIMIT_AS, because RLIMIT_DATA leaves out shared anonymous memory. It is added to the memory that is
// mapped now (program, libraries, ring, state), so that it does not depend on that.
Result<rlim_t> memory_limit() {
#if defined(XK_SANITIZED)
    return RLIM_INFINITY; // its shadow is 20 TB of addresses
#else
    std::ifstream statm("/proc/self/statm"); // the first number: pages that are mapped
    rlim_t pages = 0;
    if (!(statm >> pages))
        return os_error("reading /proc/self/statm");
    return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + kMoreMemory;
#endif
}

Result<void> limit_resources() {
    const auto memory = memory_limit();
    if (!memory)
        return memory.error();
    const rlimit bytes{*memory, *memory}, descriptors{kMostDescriptors, kMostDescriptors};
    if (::setrlimit(RLIMIT_AS, &bytes) != 0 || ::setrlimit(RLIMIT_NOFILE, &descriptors) != 0)
        return os_error("limiting the worker's memory and descriptors");
    return {};
}

struct Release {
    void operator()(void* context) const { seccomp_release(context); }
};

// None of them takes a path. fstat(2) is missing for that reason: glibc implements it by newfstatat(2), which takes
// one.
constexpr int kAllowed[] = {
    // reading the ring, the channel and the clock
    SCMP_SYS(read),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(getrandom),
    SCMP_SYS(gettid),
    SCMP_SYS(close),
    // memory
    SCMP_SYS(munmap),
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(mlock),
    SCMP_SYS(munlock),
    SCMP_SYS(futex),
    // the end, and what the kernel itself restarts
    SCMP_SYS(exit_group),
    SCMP_SYS(exit),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigreturn),
#if defined(XK_SANITIZED)
    // The sanitizer's runtime calls these in development builds.
    SCMP_SYS(getpid),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(tgkill),
    SCMP_SYS(sched_yield),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(lseek),
    SCMP_SYS(stat),
    SCMP_SYS(pipe),
    SCMP_SYS(pipe2),
    SCMP_SYS(write),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
#endif
};

Result<void> filter_system_calls() {
    const std::unique_ptr<void, Release> context(seccomp_init(SCMP_ACT_KILL_PROCESS));
    if (!context)
        return Error{"making the system call filter failed", {}};
    int failure = 0; // the codes of failures are negative
    for (const int call : kAllowed)
        failure = std::min(failure, seccomp_rule_add(context.get(), SCMP_ACT_ALLOW, call, 0));
    // Only for the log. A write to the state's file would let it grow in /run, which is the host's memory and outlives
    // the worker.
    for (const int call : {SCMP_SYS(write), SCMP_SYS(writev)})
        failure = std::min(failure, seccomp_rule_add(context.get(), SCMP_ACT_ALLOW, call, 1,
                                                     SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, STDERR_FILENO)));
    // Memory that is not executable.
    for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)})
        failure = std::min(failure, seccomp_rule_add(context.get(), SCMP_ACT_ALLOW, call, 1,
                                                     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)));
    if (failure == 0)
        failure = seccomp_load(context.get());
    if (failure != 0)
        return os_error_of(failure, "loading the system call filter", "is seccomp built into this kernel?");
    return {};
}

} // namespace

Result<void> enter_sandbox(uid_t uid, gid_t gid) {
    if (auto done = limit_resources(); !done)
        return done;
    if (auto done = become_nobody(uid, gid); !done)
        return done;
    // On a kernel without Landlock the list of system calls stands alone.
    if (auto done = drop_landlock_rights(landlock_rights(landlock_version())); !done)
        return done;
    return filter_system_calls();
}

} // namespace xk::privsep
