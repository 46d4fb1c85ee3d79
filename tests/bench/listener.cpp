// SPDX-License-Identifier: MIT
//
// xk-bench-listen PORT: the protected service, as cheap as it can be: accepts and closes, until it is killed. A
// server that forks for each connection would disturb the next measurement.
#include "protocol/base/fd.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

using namespace xk;

int main(int argc, char** argv) {
    const int port = argc == 2 ? std::atoi(argv[1]) : 0;
    if (port < 1 || port > 65535) {
        std::fputs("usage: xk-bench-listen PORT\n", stderr);
        return 2;
    }
    const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(fd.get(), SOMAXCONN) != 0) {
        std::perror("xk-bench-listen");
        return 1;
    }
    for (;;)
        const Fd connection(::accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
}
