// SPDX-License-Identifier: MIT
#include "client/program.h"

#include "protocol/base/clock.h"
#include "protocol/base/fd.h"
#include "protocol/base/quote.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace xk::client {
namespace {

constexpr std::size_t kMaxOutput = 4096;
constexpr std::chrono::milliseconds kLook{50}, kSoon{5}; // at a person; at a program

std::string trimmed(std::string text) {
    constexpr const char* kBlank = " \t\r\n";
    text.erase(text.find_last_not_of(kBlank) + 1);
    text.erase(0, text.find_first_not_of(kBlank));
    return text;
}

// A program with its output in a pipe. It is killed with this object.
class Running {
  public:
    ~Running() {
        if (child_ <= 0)
            return;
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
    }
    Result<void> start(const std::vector<std::string>& command);
    // What is there to read now; false at the end of the output.
    bool read_more(std::string& text);
    bool has_ended(int& status) {
        if (::waitpid(child_, &status, WNOHANG) == 0)
            return false;
        child_ = -1;
        return true;
    }

  private:
    pid_t child_ = -1;
    Fd out_;
};

Result<void> Running::start(const std::vector<std::string>& command) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return os_error("making a pipe");
    out_.reset(ends[0]);
    const Fd in(ends[1]);
    std::vector<char*> arguments;
    for (const std::string& word : command)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&files, in.get(), STDOUT_FILENO);
    posix_spawnattr_t attributes; // this program ignores SIGPIPE, and the child must not inherit that
    ::posix_spawnattr_init(&attributes);
    sigset_t standard;
    ::sigemptyset(&standard);
    ::sigaddset(&standard, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&attributes, &standard);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    const int failure = ::posix_spawnp(&child_, arguments[0], &files, &attributes, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
    if (failure == 0)
        return {};
    child_ = -1;
    return os_error_of(failure, "starting " + in_quotes(command[0]));
}

bool Running::read_more(std::string& text) {
    pollfd ready{out_.get(), POLLIN, 0};
    while (text.size() <= kMaxOutput && ::poll(&ready, 1, 0) > 0) {
        char chunk[512];
        const ssize_t n = ::read(out_.get(), chunk, sizeof chunk);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        text.append(chunk, static_cast<std::size_t>(n > 0 ? n : 0));
    }
    return true;
}

} // namespace

Result<std::optional<std::string>> run_for_output(const std::vector<std::string>& command,
                                                  std::optional<std::chrono::seconds> time, const Opened& opened) {
    Running running;
    if (auto done = running.start(command); !done)
        return done.error();
    const auto begin = BootClock::now();
    std::string text;
    int status = 0;
    // A program may close its output and run on.
    for (bool has_output = true;;) {
        has_output = has_output && running.read_more(text);
        if (text.size() > kMaxOutput)
            return Error{in_quotes(command[0]) + " says too much for a code", {}};
        if (!has_output && running.has_ended(status))
            break;
        if (time && BootClock::now() - begin >= *time)
            return Error{in_quotes(command[0]) + " gave no code in " + std::to_string(time->count()) + " s", {}};
        if (opened(time || !has_output ? kSoon : kLook))
            return std::optional<std::string>();
    }
    if (status != 0)
        return Error{in_quotes(command[0]) + " failed", {}};
    return std::optional(trimmed(text));
}

} // namespace xk::client
