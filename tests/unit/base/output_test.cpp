// SPDX-License-Identifier: MIT
#include "protocol/base/output.h"
#include "protocol/base/result.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <iostream>

namespace {

// The exit code of a child that does this.
int code_of(const std::function<int()>& act) {
    std::cout.flush(); // or the child would write it again
    std::fflush(stdout);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0)
        ::_exit(act());
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
}

int mode_of(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    return flags < 0 ? -1 : flags & O_ACCMODE;
}

} // namespace

TEST_CASE("a closed standard descriptor is opened in the wrong direction, and an open one stays as it is") {
    for (const int closed : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        CHECK(code_of([&] {
                  const int next = ::dup(STDIN_FILENO);
                  ::close(next);
                  ::close(closed);
                  xk::hold_standard_descriptors();
                  const bool is_held = mode_of(closed) == (closed == STDIN_FILENO ? O_WRONLY : O_RDONLY);
                  return is_held && ::dup(STDIN_FILENO) == next ? 0 : 1; // nothing else was opened
              }) == 0);
}

TEST_CASE("output that nobody could read is no success") {
    const auto finish = [](const char* file, const char* text, int code) {
        return code_of([&] {
            ::dup2(::open(file, O_WRONLY), STDOUT_FILENO);
            ::dup2(STDOUT_FILENO, STDERR_FILENO);
            std::cout.clear();
            std::cout << text;
            return xk::finish_output("test", code);
        });
    };
    CHECK(finish("/dev/null", "a result", 0) == 0);
    CHECK(finish("/dev/null", "a result", 3) == 3);
    CHECK(finish("/dev/full", "", 0) == 0); // nothing was to be written
    CHECK(finish("/dev/full", "a result", 0) == static_cast<int>(xk::Exit::failed));
    CHECK(finish("/dev/full", "a result", 3) == 3);
}
