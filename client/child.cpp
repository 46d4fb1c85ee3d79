// SPDX-License-Identifier: MIT
#include "client/child.h"

#include "protocol/base/quote.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace xk::client {
namespace {

// The child's end and ours.
struct PipeEnds {
    Fd read, write;
};

Result<PipeEnds> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return os_error("making a pipe");
    return PipeEnds{Fd(ends[0]), Fd(ends[1])};
}

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

// Returns 0, or the number of the error.
int spawn(const std::vector<std::string>& command, posix_spawn_file_actions_t& files, pid_t& id) {
    std::vector<char*> arguments;
    for (const std::string& word : command)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawnattr_t attributes; // this program ignores SIGPIPE, and the child must not inherit that
    ::posix_spawnattr_init(&attributes);
    sigset_t standard;
    ::sigemptyset(&standard);
    ::sigaddset(&standard, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&attributes, &standard);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    const int failure = ::posix_spawnp(&id, arguments[0], &files, &attributes, arguments.data(), environ);
    ::posix_spawnattr_destroy(&attributes);
    return failure;
}

} // namespace

Result<Child> Child::start(const std::vector<std::string>& command, const ChildStreams& streams) {
    const bool has_errors = streams.errors == ChildErrors::pipe;
    auto input = streams.input ? make_pipe() : Result<PipeEnds>(PipeEnds{});
    auto output = make_pipe();
    auto errors = has_errors ? make_pipe() : Result<PipeEnds>(PipeEnds{});
    for (const auto* made : {&input, &output, &errors})
        if (!*made)
            return made->error();
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    if (streams.input)
        ::posix_spawn_file_actions_adddup2(&files, input->read.get(), STDIN_FILENO);
    else
        ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&files, output->write.get(), STDOUT_FILENO);
    if (has_errors)
        ::posix_spawn_file_actions_adddup2(&files, errors->write.get(), STDERR_FILENO);
    if (streams.errors == ChildErrors::dropped)
        ::posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    Child child;
    const int failure = spawn(command, files, child.id_);
    ::posix_spawn_file_actions_destroy(&files);
    if (failure != 0) {
        child.id_ = -1;
        return os_error_of(failure, "starting " + in_quotes(command[0]));
    }
    child.input_ = std::move(input->write);
    child.output_ = std::move(output->read);
    child.errors_ = std::move(errors->read);
    return child;
}

Child::~Child() {
    if (id_ <= 0)
        return;
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
}

std::optional<int> Child::exit_code() {
    if (id_ > 0 && ::waitpid(id_, &status_, WNOHANG) == 0)
        return std::nullopt;
    id_ = -1;
    return code_of(status_);
}

int Child::wait_for_end() {
    while (id_ > 0 && ::waitpid(id_, &status_, 0) < 0 && errno == EINTR) {
    }
    id_ = -1;
    return code_of(status_);
}

Result<ChildOutput> run_to_end(const std::vector<std::string>& command, std::size_t limit) {
    auto child = Child::start(command, {.input = false, .errors = ChildErrors::dropped});
    if (!child)
        return child.error();
    ChildOutput result;
    char chunk[4096];
    const Wiped wiped(chunk);
    for (ssize_t n = 0; (n = ::read(child->output(), chunk, sizeof chunk)) != 0;) {
        if (n < 0 && errno != EINTR)
            return os_error("reading from " + in_quotes(command[0]));
        result.text.insert(result.text.end(), chunk, chunk + std::max<ssize_t>(n, 0));
        if (result.text.size() > limit)
            return Error{in_quotes(command[0]) + " says too much", {}};
    }
    result.exit_code = child->wait_for_end();
    return result;
}

} // namespace xk::client
