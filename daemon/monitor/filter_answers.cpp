// SPDX-License-Identifier: MIT
#include "daemon/monitor/filter_answers.h"

#include "daemon/xdp/hello_peers.h"
#include "protocol/base/fd.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace xk {
namespace {

sockaddr_storage socket_address(const Address& address, std::uint16_t port, socklen_t& size) {
    sockaddr_storage storage{};
    if (address.is_v4()) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        const Bytes<4> bytes = address.v4_bytes();
        std::ranges::copy(bytes, reinterpret_cast<std::uint8_t*>(&v4.sin_addr));
        size = sizeof v4;
    } else {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        std::ranges::copy(address.bytes, v6.sin6_addr.s6_addr);
        size = sizeof v6;
    }
    return storage;
}

} // namespace

bool cannot_answer(const authz::Policy& policy) {
    const auto knocks_so = [](const authz::Credential& c) { return c.has_mode(authz::KnockMode::handshake); };
    if (std::ranges::none_of(policy.credentials, knocks_so))
        return false;
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return !socket && errno == EAFNOSUPPORT;
}

Result<void> send_datagram(const Address& from, std::uint16_t from_port, const Address& to, std::uint16_t to_port,
                           ByteView bytes) {
    if (from.is_v4() != to.is_v4())
        return Error{"an answer from one family of addresses to the other", {}};
    const bool v4 = to.is_v4();
    const Fd socket(::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket)
        return os_error("opening a socket for an answer", kAnswerSocketHint);
    const int on = 1;
    const auto set = [&](int level, int option) { return ::setsockopt(socket.get(), level, option, &on, sizeof on); };
    socklen_t size = 0;
    const sockaddr_storage ours = socket_address(from, from_port, size);
    const sockaddr_storage theirs = socket_address(to, to_port, size);
    if (set(SOL_SOCKET, SO_REUSEADDR) != 0 ||
        (v4 ? set(IPPROTO_IP, IP_FREEBIND) : set(IPPROTO_IPV6, IPV6_FREEBIND)) != 0 ||
        (!v4 && set(IPPROTO_IPV6, IPV6_V6ONLY) != 0) ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&ours), size) != 0 ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&theirs), size) != 0)
        return os_error("a socket for an answer");
    if (::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
        return os_error("sending an answer", errno == EPERM ? kAnswerSocketHint : "");
    return {};
}

Result<bool> FilterAnswers::send_answer(const Hello& hello, std::uint16_t port, const wire::Packet& packet,
                                        BootTime now) {
    if (!xdp::take_peer(*filter_, hello.source, hello.destination, hello.source_port, now))
        return false;
    auto sent = send_datagram(hello.destination, port, hello.source, hello.source_port, packet);
    return sent ? Result<bool>(true) : sent.error();
}

} // namespace xk
