// SPDX-License-Identifier: MIT
// The wall clock of every program that loads this library (LD_PRELOAD) is ahead of the machine's by the nanoseconds in
// the file $XK_CLOCK: eight bytes in host order, which may be negative and may change at any time. It is mapped before
// a worker enters its sandbox, and no call in here is one that the sandbox forbids. Where $XK_SYNCHRONISED is "yes" or
// "no", the kernel says that something keeps the clock right, or that nothing does. Where there is a file $XK_RUNNING,
// the clocks that nobody can set are ahead by its nanoseconds.
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead, *running;

static const volatile int64_t* map(const char* name) {
    const int fd = name != NULL ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void* mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        abort();
    close(fd);
    return mapped;
}

__attribute__((constructor)) static void map_clocks(void) {
    ahead = map(getenv("XK_CLOCK"));
    if (getenv("XK_RUNNING") != NULL)
        running = map(getenv("XK_RUNNING"));
}

static void add(struct timespec* t, int64_t nanoseconds) {
    const int64_t sum = (int64_t)t->tv_sec * 1000000000 + t->tv_nsec + nanoseconds;
    t->tv_sec = sum / 1000000000;
    t->tv_nsec = sum % 1000000000;
}

// What runs before our constructor has the machine's clock.
int clock_gettime(clockid_t clock, struct timespec* t) {
    const int result = (int)syscall(SYS_clock_gettime, clock, t);
    if (result == 0 && ahead != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        add(t, *ahead);
    if (result == 0 && running != NULL && (clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME))
        add(t, *running);
    return result;
}

time_t time(time_t* seconds) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (seconds != NULL)
        *seconds = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval* restrict t, void* restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

int adjtimex(struct timex* t) {
    const char* says = getenv("XK_SYNCHRONISED");
    const int result = (int)syscall(SYS_adjtimex, t);
    if (result < 0 || says == NULL)
        return result;
    t->status = strcmp(says, "yes") == 0 ? t->status & ~STA_UNSYNC : t->status | STA_UNSYNC;
    return (t->status & STA_UNSYNC) != 0 ? TIME_ERROR : TIME_OK;
}

// A timer at a moment of the wall clock, the only kind that may be cancelled when the clock is set: one in each
// process.
static int timer = -1;
static int64_t ahead_when_set;

// The kernel wakes nobody when the file changes. The timer therefore goes off after a fifth of a second at most, which
// is harmless where it is too early, and read() says whether the clock was set meanwhile, as timerfd_create(2) has it.
int timerfd_settime(int fd, int flags, const struct itimerspec* wanted, struct itimerspec* before) {
    struct itimerspec at = *wanted;
    struct timespec soon;
    if ((flags & TFD_TIMER_CANCEL_ON_SET) != 0) {
        timer = fd;
        ahead_when_set = *ahead;
        add(&at.it_value, -ahead_when_set);
        syscall(SYS_clock_gettime, CLOCK_REALTIME, &soon);
        add(&soon, 200000000);
        if (at.it_value.tv_sec > soon.tv_sec)
            at.it_value = soon;
    }
    return (int)syscall(SYS_timerfd_settime, fd, flags, &at, before);
}

ssize_t read(int fd, void* buffer, size_t size) {
    const ssize_t result = syscall(SYS_read, fd, buffer, size);
    if (fd != timer || result < 0 || *ahead == ahead_when_set)
        return result;
    errno = ECANCELED;
    return -1;
}
