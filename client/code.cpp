// SPDX-License-Identifier: MIT
#include "client/code.h"

#include "protocol/base/fd.h"
#include "protocol/base/quote.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

namespace xk::client {
namespace {

constexpr std::chrono::seconds kCommandPatience{30};
constexpr std::size_t kMaxAnswer = 256, kMaxOutput = 4096;

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int) { interrupted = 1; }

std::string trimmed(std::string text) {
    constexpr const char* kBlank = " \t\r\n";
    text.erase(text.find_last_not_of(kBlank) + 1);
    text.erase(0, text.find_first_not_of(kBlank));
    return text;
}

// While it lives the terminal has no echo, and signals that would end the program are caught. Both are put back
// afterwards.
class QuietTerminal {
  public:
    explicit QuietTerminal(int tty) : tty_(tty) {
        struct sigaction action {};
        action.sa_handler = on_interrupt;
        for (std::size_t i = 0; i < std::size(kSignals); ++i)
            ::sigaction(kSignals[i], &action, &before_[i]);
        has_settings_ = ::tcgetattr(tty_, &settings_) == 0;
        termios quiet = settings_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        if (has_settings_)
            ::tcsetattr(tty_, TCSAFLUSH, &quiet);
    }
    ~QuietTerminal() {
        if (has_settings_)
            ::tcsetattr(tty_, TCSAFLUSH, &settings_);
        for (std::size_t i = 0; i < std::size(kSignals); ++i)
            ::sigaction(kSignals[i], &before_[i], nullptr);
    }
    QuietTerminal(const QuietTerminal&) = delete;
    QuietTerminal& operator=(const QuietTerminal&) = delete;

  private:
    static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    int tty_;
    termios settings_{};
    bool has_settings_ = false;
    struct sigaction before_[std::size(kSignals)] = {};
};

Result<std::string> read_line(int fd) {
    std::string line;
    for (;;) {
        char c;
        const ssize_t n = ::read(fd, &c, 1);
        if (n < 0 && errno == EINTR && interrupted == 0)
            continue;
        if (interrupted != 0)
            return Error{"interrupted", {}};
        if (n <= 0)
            return Error{"no code was given", {}};
        if (c == '\n')
            return line;
        if (line.size() == kMaxAnswer)
            return Error{"that is too long for a code", {}};
        line += c;
    }
}

Result<std::string> ask_through_program(const std::string& program, const std::string& prompt) {
    return run_for_output({program, prompt});
}

} // namespace

Result<std::string> run_for_output(const std::vector<std::string>& command) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return os_error("making a pipe");
    const Fd out(ends[0]);
    Fd in(ends[1]);
    std::vector<char*> arguments;
    for (const std::string& word : command)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&files, in.get(), STDOUT_FILENO);
    pid_t child = -1;
    posix_spawnattr_t attributes; // this program ignores SIGPIPE, and the child must not inherit that
    ::posix_spawnattr_init(&attributes);
    sigset_t standard;
    ::sigemptyset(&standard);
    ::sigaddset(&standard, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&attributes, &standard);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    const int failure = ::posix_spawnp(&child, arguments[0], &files, &attributes, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
    if (failure != 0)
        return os_error_of(failure, "starting " + in_quotes(command[0]));
    in.reset();
    std::string text;
    const auto deadline = BootClock::now() + kCommandPatience;
    bool ended = false;
    while (!ended && text.size() <= kMaxOutput) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - BootClock::now());
        pollfd ready{out.get(), POLLIN, 0};
        if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) == 0)
            break;
        char chunk[512];
        const ssize_t n = ::read(out.get(), chunk, sizeof chunk);
        if (n > 0)
            text.append(chunk, static_cast<std::size_t>(n));
        ended = n == 0 || (n < 0 && errno != EINTR);
    }
    const bool too_much = text.size() > kMaxOutput;
    // A program may close its output and run on.
    int status = 0;
    pid_t reaped = 0;
    while (ended && (reaped = ::waitpid(child, &status, WNOHANG)) == 0 && BootClock::now() < deadline)
        ::poll(nullptr, 0, 5);
    if (reaped == 0) {
        ::kill(child, SIGKILL);
        ::waitpid(child, &status, 0);
        if (too_much)
            return Error{in_quotes(command[0]) + " says too much for a code", {}};
        return Error{in_quotes(command[0]) + " gave no code in " + std::to_string(kCommandPatience.count()) + " s", {}};
    }
    if (status != 0)
        return Error{in_quotes(command[0]) + " failed", {}};
    return trimmed(text);
}

Result<std::string> ask_on_terminal(const std::string& prompt) {
    const Fd tty(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!tty) {
        if (const char* program = std::getenv("SSH_ASKPASS"))
            return ask_through_program(program, prompt);
        return Error{"a code is needed and there is no terminal to ask on",
                     "use --otp, otp_command in ~/.config/xknock/config.yaml, otp_secret, or SSH_ASKPASS"};
    }
    interrupted = 0;
    const QuietTerminal quiet(tty.get());
    (void)!::write(tty.get(), prompt.data(), prompt.size());
    auto line = read_line(tty.get());
    (void)!::write(tty.get(), "\n", 1);
    return line;
}

Result<std::string> obtain_code(const Profile& profile, const std::optional<std::string>& given) {
    Result<std::string> code = std::string();
    if (given)
        code = *given;
    else if (!profile.otp_command.empty())
        code = run_for_output(profile.otp_command);
    else if (profile.factor_key->size > 0)
        return totp_code({profile.factor_key->bytes, profile.factor_key->size}, totp_step(Now::read().wall),
                         profile.digits);
    else
        code = ask_on_terminal("Code for " + printable(profile.name) + ": ");
    if (!code)
        return code;
    std::erase_if(*code, [](char c) { return c == ' ' || c == '\t'; });
    if (!totp_proof(*code, profile.digits))
        return Error{"a code has " + std::to_string(profile.digits) + " digits", {}};
    return code;
}

} // namespace xk::client
