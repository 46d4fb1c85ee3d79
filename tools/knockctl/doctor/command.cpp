// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/command.h"

#include "protocol/base/fd.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>

namespace xk::tools {
namespace {

constexpr std::size_t kMostOutput = 256 * 1024 * 1024;

// The directories of root's programs. The caller's PATH does not count.
std::string find_program(const std::string& name) {
    for (const char* directory : {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/", "/usr/local/sbin/"})
        if (::access((directory + name).c_str(), X_OK) == 0)
            return directory + name;
    return {};
}

} // namespace

Result<std::string> output_of(std::vector<std::string> words) {
    const std::string program = find_program(words.at(0));
    if (program.empty())
        return Error{"there is no " + words[0], {}};
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return os_error("making a pipe");
    Fd read_end(ends[0]), write_end(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    std::vector<char*> arguments;
    for (std::string& word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    // The caller's environment must not choose what runs as root, or the language of its output.
    char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", language[] = "LC_ALL=C";
    char* const environment[] = {path, language, nullptr};
    pid_t pid = 0;
    const int failure = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments.data(), environment);
    ::posix_spawn_file_actions_destroy(&actions);
    if (failure != 0)
        return os_error_of(failure, "running " + words[0]);
    write_end.reset();
    std::string output;
    std::array<char, 65536> buffer;
    ssize_t n = 0;
    while (output.size() <= kMostOutput &&
           ((n = ::read(read_end.get(), buffer.data(), buffer.size())) > 0 || (n < 0 && errno == EINTR)))
        output.append(buffer.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
    read_end.reset(); // a program that writes more ends by SIGPIPE
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (output.size() > kMostOutput)
        return Error{words[0] + " prints more than can be looked at", {}};
    if (status != 0)
        return Error{"running " + words[0] + " failed", {}};
    return output;
}

std::string first_line(const std::string& path) {
    std::string line;
    std::ifstream in(path);
    std::getline(in, line);
    return line;
}

} // namespace xk::tools
