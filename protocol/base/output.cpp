// SPDX-License-Identifier: MIT
#include "protocol/base/output.h"

#include "protocol/base/result.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

namespace xk {

void hold_standard_descriptors() {
    // The order matters, because open(2) returns the lowest free number. Each is opened in the wrong direction, so that
    // its use fails.
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int finish_output(std::string_view program, int code) {
    errno = 0;
    std::cout.flush();
    const bool flushed = std::fflush(stdout) == 0;
    if (flushed && std::cout && std::ferror(stdout) == 0)
        return code;
    const Error error =
        errno != 0 ? os_error("writing to standard output") : Error{"writing to standard output failed", {}};
    std::cerr << program << ": " << error.message << "\n";
    return code != 0 ? code : static_cast<int>(Exit::failed);
}

} // namespace xk
