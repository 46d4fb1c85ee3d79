// SPDX-License-Identifier: MIT
#include "client/quiet_terminal.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace xk::client {
namespace {

// Only what is still as we made it: a shell that has the terminal again has settings of its own.
void put_back(int tty, const termios& quiet, const termios& before) {
    sigset_t stop, mask;
    ::sigemptyset(&stop);
    ::sigaddset(&stop, SIGTTOU); // of a process in the background
    ::sigprocmask(SIG_BLOCK, &stop, &mask);
    termios now{};
    if (::tcgetattr(tty, &now) == 0 && now.c_lflag == quiet.c_lflag && now.c_iflag == quiet.c_iflag)
        // Half a code that was typed must not become input of the shell.
        while (::tcsetattr(tty, TCSAFLUSH, &before) != 0 && errno == EINTR) {
        }
    ::sigprocmask(SIG_SETMASK, &mask, nullptr);
}

} // namespace

QuietTerminal::QuietTerminal(int tty) : tty_(tty) {
    has_settings_ = ::tcgetattr(tty, &before_) == 0;
    if (!has_settings_)
        return;
    quiet_ = before_;
    quiet_.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet_.c_lflag |= ICANON | ISIG;
    quiet_.c_iflag |= ICRNL;
    start_guardian();
    ::tcsetattr(tty_, TCSAFLUSH, &quiet_);
}

// The child inherits the locks that we have. So nobody else asks on this terminal before its settings are back.
void QuietTerminal::start_guardian() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return;
    to_guardian_.reset(ends[0]);
    const Fd from_us(ends[1]);
    sigset_t all, mask;
    ::sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all, &mask);
    guardian_ = ::fork();
    if (guardian_ == 0) {
        // A group of its own: what is sent to ours, or typed, is not for it. All signals stay blocked.
        ::setsid();
        for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, ends[0]})
            if (fd != tty_ && fd != ends[1])
                ::close(fd); // ssh must not wait for us
        char done = 0;
        ssize_t n = 0;
        while ((n = ::read(ends[1], &done, 1)) < 0 && errno == EINTR) {
        }
        if (n <= 0)
            put_back(tty_, quiet_, before_);
        ::_exit(0);
    }
    ::sigprocmask(SIG_SETMASK, &mask, nullptr);
}

QuietTerminal::~QuietTerminal() {
    if (!has_settings_)
        return;
    put_back(tty_, quiet_, before_);
    if (guardian_ < 0)
        return;
    (void)::send(to_guardian_.get(), "", 1, MSG_NOSIGNAL);
    while (::waitpid(guardian_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

} // namespace xk::client
