// SPDX-License-Identifier: MIT
//
// xk-bench-start INTERFACE PORT COMMAND...: starts a program and prints two times in microseconds, both from just
// before the fork: until its first UDP packet to that port leaves by the interface ("-": none did), and until it has
// ended. Its output goes nowhere; the exit code is its own.
#include "protocol/base/fd.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

using namespace xk;
using Clock = std::chrono::steady_clock;

namespace {

Fd listen_on(const char* interface) {
    Fd fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL)));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(interface));
    if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        std::perror("xk-bench-start");
        std::exit(1);
    }
    return fd;
}

// Whether one of the packets that have come is a knock on its way out. IPv4 without options.
bool has_knock(const Fd& fd, std::uint16_t port) {
    for (;;) {
        std::array<unsigned char, 256> packet;
        sockaddr_ll from{};
        socklen_t size = sizeof from;
        const ssize_t n =
            ::recvfrom(fd.get(), packet.data(), packet.size(), MSG_TRUNC, reinterpret_cast<sockaddr*>(&from), &size);
        if (n < 0)
            return false;
        std::uint16_t to = 0;
        if (from.sll_pkttype != PACKET_OUTGOING || n < 28 || packet[0] != 0x45 || packet[9] != IPPROTO_UDP)
            continue;
        std::memcpy(&to, packet.data() + 22, sizeof to);
        if (to == htons(port))
            return true;
    }
}

pid_t start(char** command) {
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child = -1;
    if (::posix_spawnp(&child, command[0], &files, nullptr, command, environ) != 0)
        std::exit(127);
    ::posix_spawn_file_actions_destroy(&files);
    return child;
}

double micro(Clock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

} // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::fputs("usage: xk-bench-start INTERFACE PORT COMMAND...\n", stderr);
        return 2;
    }
    const Fd packets = listen_on(argv[1]);
    const auto port = static_cast<std::uint16_t>(std::atoi(argv[2]));
    const auto begin = Clock::now();
    const pid_t child = start(argv + 3);
    const Fd ended(static_cast<int>(::syscall(SYS_pidfd_open, child, 0))); // glibc 2.36's header is for C alone
    std::optional<double> knocked;
    for (bool runs = true; runs;) {
        pollfd fds[] = {{packets.get(), POLLIN, 0}, {ended.get(), POLLIN, 0}};
        ::poll(fds, 2, -1);
        const double now = micro(Clock::now() - begin);
        if (has_knock(packets, port) && !knocked)
            knocked = now;
        runs = fds[1].revents == 0;
    }
    const double all = micro(Clock::now() - begin);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (knocked)
        std::printf("%.0f %.0f\n", *knocked, all);
    else
        std::printf("- %.0f\n", all);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
