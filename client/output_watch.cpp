// SPDX-License-Identifier: MIT
#include "client/output_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>

namespace xk::client {
namespace {

// A program that prints a code, or asks for one, would outlive us and wait for somebody who is gone.
void kill_children() {
    std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
    for (pid_t child = 0; children >> child;)
        ::kill(child, SIGTERM);
}

void watch(int output, int stop) {
    pollfd fds[] = {{output, 0, 0}, {stop, POLLIN, 0}};
    while (::poll(fds, 2, -1) < 0 || (fds[0].revents | fds[1].revents) == 0) {
    }
    if (fds[1].revents != 0)
        return;
    kill_children();
    ::kill(::getpid(), SIGTERM);
}

} // namespace

bool has_no_reader(int fd) {
    pollfd ready{fd, 0, 0};
    return ::poll(&ready, 1, 0) == 1 && (ready.revents & (POLLERR | POLLHUP)) != 0;
}

Result<std::optional<OutputWatch>> OutputWatch::start(int output) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return os_error("making a pipe");
    Fd in(ends[0]), stop(ends[1]);
    // The thread takes no signal: those of the terminal are for whoever asks on it.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread thread([output, held = std::move(in)] { watch(output, held.get()); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return std::optional(OutputWatch(std::move(stop), std::move(thread)));
}

OutputWatch::~OutputWatch() {
    stop_.reset();
    if (thread_.joinable())
        thread_.join();
}

} // namespace xk::client
