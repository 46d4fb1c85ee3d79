// SPDX-License-Identifier: MIT
#include "tests/nft/network.h"

#include "tests/nft/fixtures.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <string>

namespace xk::test {
namespace {

Fd open_own_namespace() {
    Fd fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    REQUIRE(fd);
    return fd;
}

std::string path_of(const Fd& fd) { return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd.get()); }

void configure(const std::string& device, const std::string& addresses4, const std::string& address6) {
    run_command("ip link set " + device + " up; for a in " + addresses4 + "; do ip addr add $a dev " + device +
                "; done; ip -6 addr add " + address6 + " dev " + device + " nodad");
}

} // namespace

Network::Network() {
    for (Fd& host : hosts_) {
        enter_new_namespace();
        run_command("ip link set lo up");
        host = open_own_namespace();
    }
    in(here, [&] {
        run_command("ip link add client type veth peer name uplink netns " + path_of(hosts_[client]));
        run_command("ip link add behind type veth peer name uplink netns " + path_of(hosts_[behind]));
        configure("client", "192.0.2.1/24", "2001:db8:2::1/64");
        configure("behind", "198.51.100.1/24", "2001:db8:7::1/64");
        run_command("echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
    });
    in(client, [] {
        configure("uplink", "192.0.2.2/24 192.0.2.3/24", "2001:db8:2::2/64");
        run_command("ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8:2::1");
    });
    in(behind, [] {
        configure("uplink", "198.51.100.7/24", "2001:db8:7::7/64");
        run_command("ip route add default via 198.51.100.1; ip -6 route add default via 2001:db8:7::1");
    });
    REQUIRE(::setns(hosts_[here].get(), CLONE_NEWNET) == 0);
}

void Network::in(Host host, const std::function<void()>& act) const {
    const Fd before = open_own_namespace();
    REQUIRE(::setns(hosts_[host].get(), CLONE_NEWNET) == 0);
    act();
    REQUIRE(::setns(before.get(), CLONE_NEWNET) == 0);
}

Fd Network::listen_tcp(Host host, std::uint16_t port) const {
    Fd fd;
    in(host, [&] {
        fd.reset(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const int off = 0;
        sockaddr_in6 any{};
        any.sin6_family = AF_INET6;
        any.sin6_port = htons(port);
        REQUIRE(::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0);
        REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0);
        REQUIRE(::listen(fd.get(), 64) == 0);
    });
    return fd;
}

Fd Network::connect_tcp(const char* source, const char* target, std::uint16_t port, int patience) const {
    Fd fd;
    in(client, [&] {
        sockaddr_storage from{}, to{};
        const auto from_size = address(source).to_sockaddr(from, 0);
        const auto to_size = address(target).to_sockaddr(to, port);
        fd.reset(::socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&from), from_size) == 0);
        const int began = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), to_size);
        REQUIRE((began == 0 || errno == EINPROGRESS));
    });
    pollfd output{fd.get(), POLLOUT, 0};
    int error = 0;
    socklen_t size = sizeof error;
    if (::poll(&output, 1, patience) != 1 || ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 ||
        error != 0)
        return Fd();
    return fd;
}

} // namespace xk::test
