// SPDX-License-Identifier: MIT
#include "client/question.h"

#include "client/quiet_terminal.h"

#include <poll.h>
#include <strings.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace xk::client {
namespace {

constexpr std::chrono::milliseconds kLookAtQuestion{50};
constexpr const char* kClearLine = "\r\x1b[K";
constexpr const char* kUsualAskpass = "/usr/bin/ssh-askpass";

volatile std::sig_atomic_t caught = 0;
void on_signal(int signal) { caught = signal; }

// While it lives the signals that end or stop a program are caught, except those that were ignored before.
class CaughtSignals {
  public:
    CaughtSignals() {
        caught = 0;
        struct sigaction action {};
        action.sa_handler = on_signal;
        for (std::size_t i = 0; i < std::size(kSignals); ++i)
            if (::sigaction(kSignals[i], nullptr, &before_[i]) == 0 && before_[i].sa_handler != SIG_IGN)
                ::sigaction(kSignals[i], &action, nullptr);
    }
    ~CaughtSignals() {
        for (std::size_t i = 0; i < std::size(kSignals); ++i)
            ::sigaction(kSignals[i], &before_[i], nullptr);
    }
    CaughtSignals(const CaughtSignals&) = delete;
    CaughtSignals& operator=(const CaughtSignals&) = delete;

  private:
    static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU};
    struct sigaction before_[std::size(kSignals)] = {};
};

void print(int tty, const std::string& text) { (void)!::write(tty, text.data(), text.size()); }

// The line that is there; nothing without one.
Result<std::optional<std::string>> line_of(int tty) {
    pollfd ready{tty, POLLIN, 0};
    if (::poll(&ready, 1, 0) <= 0)
        return std::optional<std::string>();
    char line[256];
    const ssize_t n = ::read(tty, line, sizeof line);
    if (n < 0 && errno == EINTR)
        return std::optional<std::string>();
    if (n <= 0)
        return Error{"no code was given", {}};
    if (line[n - 1] != '\n')
        return Error{"that is too long for a code", {}};
    return std::optional(std::string(line, static_cast<std::size_t>(n - 1)));
}

bool is_set(const char* variable) {
    const char* const value = std::getenv(variable);
    return value != nullptr && *value != '\0';
}

} // namespace

std::optional<std::string> askpass_program(bool has_terminal) {
    bool allowed = is_set("DISPLAY") || is_set("WAYLAND_DISPLAY"), preferred = false;
    const char* const require = std::getenv("SSH_ASKPASS_REQUIRE");
    if (require != nullptr && ::strcasecmp(require, "force") == 0)
        allowed = preferred = true;
    else if (require != nullptr && ::strcasecmp(require, "prefer") == 0)
        preferred = allowed;
    else if (require != nullptr && ::strcasecmp(require, "never") == 0)
        allowed = false;
    if (!allowed || (has_terminal && !preferred))
        return {};
    if (is_set("SSH_ASKPASS"))
        return std::getenv("SSH_ASKPASS");
    return ::access(kUsualAskpass, X_OK) == 0 ? std::optional<std::string>(kUsualAskpass) : std::nullopt;
}

Result<Answer> ask_on_terminal(int tty, const std::string& prompt, const Opened& opened) {
    const CaughtSignals signals;
    const pid_t parent = ::getppid();
    const QuietTerminal quiet(tty);
    print(tty, prompt);
    for (;;) {
        if (caught == SIGTSTP || caught == SIGTTIN || caught == SIGTTOU) {
            print(tty, "\n");
            return Answer{Answer::stopped, {}};
        }
        if (caught != 0) {
            print(tty, "\n");
            return Error{"interrupted", {}};
        }
        if (::getppid() != parent) { // ssh was killed; nobody wants the connection any more
            print(tty, kClearLine);
            return Error{"the program that wanted the connection is gone", {}};
        }
        auto line = line_of(tty);
        if (!line || *line) {
            print(tty, "\n");
            return line ? Result(Answer{Answer::text, **line}) : line.error();
        }
        if (opened(kLookAtQuestion)) {
            print(tty, kClearLine);
            return Answer{Answer::opened, {}};
        }
    }
}

} // namespace xk::client
