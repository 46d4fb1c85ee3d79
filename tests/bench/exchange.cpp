// SPDX-License-Identifier: MIT
//
// xk-bench-exchange: what a client has of a TCP service.
//
//   serve PORT               echoes every byte of every connection, in one process
//   exchange ADDRESS PORT S  one byte there and back over one connection, for so many seconds; prints how many in a
//   second logins ADDRESS PORT N    so many new connections, a byte there and back over each; prints how many came to
//   that within
//                            a second, and the median of their times, microseconds
#include "protocol/base/address.h"
#include "protocol/base/fd.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

using namespace xk;
using Clock = std::chrono::steady_clock;

namespace {

int serve(std::uint16_t port) {
    const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener.get(), SOMAXCONN) != 0) {
        std::perror("xk-bench-exchange");
        return 1;
    }
    std::vector<Fd> connections;
    for (;;) {
        std::vector<pollfd> ready{{listener.get(), POLLIN, 0}};
        for (const Fd& connection : connections)
            ready.push_back({connection.get(), POLLIN, 0});
        ::poll(ready.data(), ready.size(), -1);
        for (std::size_t i = ready.size() - 1; i > 0; --i) {
            char byte;
            if (ready[i].revents == 0)
                continue;
            if (::read(ready[i].fd, &byte, 1) != 1 || ::send(ready[i].fd, &byte, 1, MSG_NOSIGNAL) != 1)
                connections.erase(connections.begin() + static_cast<std::ptrdiff_t>(i - 1));
        }
        for (int fd; (fd = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            connections.emplace_back(fd);
        }
    }
}

// Nothing where it does not come up within a second.
Fd connect_to(const Address& to, std::uint16_t port) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_storage address{};
    const auto size = to.to_sockaddr(address, port);
    (void)::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size);
    pollfd ready{fd.get(), POLLOUT, 0};
    if (::poll(&ready, 1, 1000) != 1 || (ready.revents & (POLLERR | POLLHUP)) != 0)
        return Fd();
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

bool there_and_back(const Fd& fd) {
    char byte = 'x';
    pollfd ready{fd.get(), POLLIN, 0};
    return ::send(fd.get(), &byte, 1, MSG_NOSIGNAL) == 1 && ::poll(&ready, 1, 1000) == 1 &&
           ::read(fd.get(), &byte, 1) == 1;
}

int exchange(const Address& to, std::uint16_t port, double seconds) {
    const Fd fd = connect_to(to, port);
    const auto begin = Clock::now();
    const auto past = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
    unsigned long count = 0;
    while (past() < seconds) {
        if (!fd || !there_and_back(fd)) {
            std::fputs("xk-bench-exchange: the connection is lost\n", stderr);
            return 1;
        }
        ++count;
    }
    std::printf("%.0f\n", static_cast<double>(count) / past());
    return 0;
}

int logins(const Address& to, std::uint16_t port, unsigned count) {
    std::vector<double> times;
    for (unsigned i = 0; i < count; ++i) {
        const auto begin = Clock::now();
        const Fd fd = connect_to(to, port);
        if (fd && there_and_back(fd))
            times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
    }
    std::sort(times.begin(), times.end());
    std::printf("%zu %.0f\n", times.size(), times.empty() ? 0 : times[times.size() / 2]);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view verb = argc > 1 ? argv[1] : "";
    const auto number = [&](int i) { return std::atof(argv[i]); };
    if (verb == "serve" && argc == 3)
        return serve(static_cast<std::uint16_t>(number(2)));
    const auto to = argc == 5 ? Address::parse(argv[2]) : Result<Address>(Error{});
    if (verb == "exchange" && to)
        return exchange(*to, static_cast<std::uint16_t>(number(3)), number(4));
    if (verb == "logins" && to)
        return logins(*to, static_cast<std::uint16_t>(number(3)), static_cast<unsigned>(number(4)));
    std::fputs("usage: xk-bench-exchange serve PORT | exchange ADDRESS PORT SECONDS | logins ADDRESS PORT COUNT\n",
               stderr);
    return 2;
}
