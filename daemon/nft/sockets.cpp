// SPDX-License-Identifier: MIT
#include <netinet/in.h> // before the kernel's own <linux/in.h>
#include <netinet/tcp.h>

#include "daemon/nft/sockets.h"

#include "daemon/nft/answer.h"
#include "protocol/base/handle.h"

#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>

#include <cstring>
#include <fstream>

namespace xk::nft {
namespace {

constexpr timeval kPatience{5, 0};
// All states but TIME_WAIT, in which no program has the session any more, and CLOSE.
constexpr std::uint32_t kStates = 0xfff & ~(1u << TCP_TIME_WAIT) & ~(1u << TCP_CLOSE);

Address address_of(const __be32 (&words)[4], std::uint8_t family) {
    Address address;
    if (family == AF_INET6) {
        std::memcpy(address.bytes.data(), words, address.bytes.size());
        return address;
    }
    Bytes<4> bytes;
    std::memcpy(bytes.data(), words, bytes.size());
    return Address::v4(bytes);
}

inet_diag_req_v2 request_of(std::uint8_t family) {
    inet_diag_req_v2 request{};
    request.sdiag_family = family;
    request.sdiag_protocol = IPPROTO_TCP;
    request.idiag_states = kStates;
    return request;
}

// The answer to SOCK_DESTROY is a code and no socket.
void ignore_socket(const inet_diag_msg&) {}

class SockDiag final : public Sockets {
  public:
    explicit SockDiag(mnl_socket* socket) : socket_(socket) {}
    Result<void> bind_socket();
    bool can_end() const override { return can_end_; }
    Result<List> list_sockets() override;
    Result<bool> end_socket(const Socket& socket) override;

  private:
    Result<void> list_family(std::uint8_t family, List& to);
    // 0, or the errno value of the kernel's refusal.
    Result<int> query(std::uint16_t type, std::uint16_t flags, const inet_diag_req_v2& request,
                      const std::function<void(const inet_diag_msg&)>& each);

    Handle<mnl_socket, mnl_socket_close> socket_;
    std::uint32_t sequence_ = 0;
    bool can_end_ = false;
};

Result<void> SockDiag::bind_socket() {
    mnl_socket* const raw = socket_.get();
    if (mnl_socket_bind(raw, 0, MNL_SOCKET_AUTOPID) < 0 ||
        ::setsockopt(mnl_socket_get_fd(raw), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience) != 0)
        return os_error("binding a sock_diag netlink socket");
    // A kernel without tcp_diag answers the request below by ENOENT too, so it first has to list.
    if (auto listed = list_sockets(); !listed)
        return listed.error();
    // No socket has port 0. A request to end it gives ENOENT if the kernel can end sockets.
    const inet_diag_req_v2 nobody = request_of(AF_INET);
    const auto code = query(SOCK_DESTROY, NLM_F_ACK, nobody, ignore_socket);
    can_end_ = code && *code == ENOENT;
    return {};
}

Result<int> SockDiag::query(std::uint16_t type, std::uint16_t flags, const inet_diag_req_v2& request,
                            const std::function<void(const inet_diag_msg&)>& each) {
    alignas(nlmsghdr) char buffer[64 * 1024];
    nlmsghdr* const header = mnl_nlmsg_put_header(buffer);
    header->nlmsg_type = type;
    header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    header->nlmsg_seq = ++sequence_;
    std::memcpy(mnl_nlmsg_put_extra_header(header, sizeof request), &request, sizeof request);
    if (mnl_socket_sendto(socket_.get(), header, header->nlmsg_len) < 0)
        return os_error("requesting sockets");
    for (;;) {
        const ssize_t received = mnl_socket_recvfrom(socket_.get(), buffer, sizeof buffer);
        if (received < 0)
            return os_error("waiting for sockets");
        const auto code = read_sockets({buffer, static_cast<std::size_t>(received)}, sequence_, each);
        if (!code)
            return code.error();
        if (*code)
            return -**code;
    }
}

Result<void> SockDiag::list_family(std::uint8_t family, List& to) {
    const auto code = query(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, request_of(family), [&](const inet_diag_msg& m) {
        if (m.idiag_state == TCP_LISTEN) {
            to.listening.insert(ntohs(m.id.idiag_sport));
            return;
        }
        Socket socket{{}, m.id, m.idiag_family};
        // An IPv6 socket of an IPv4 session has mapped addresses, and Address keeps IPv4 in the same form.
        socket.session.back = {IpProtocol::tcp, address_of(m.id.idiag_src, m.idiag_family),
                               address_of(m.id.idiag_dst, m.idiag_family), ntohs(m.id.idiag_sport),
                               ntohs(m.id.idiag_dport)};
        socket.session.there = socket.session.back.reversed();
        socket.session.alive = m.idiag_state == TCP_ESTABLISHED;
        to.sockets.push_back(std::move(socket));
    });
    if (!code)
        return code.error();
    // A kernel without IPv6 has no such sockets. Any other refusal leaves sockets out that may be there.
    if (*code == ENOENT && family == AF_INET6)
        return {};
    if (*code != 0)
        return os_error_of(*code, "listing sockets", "the kernel needs inet_diag and tcp_diag");
    return {};
}

Result<Sockets::List> SockDiag::list_sockets() {
    List all;
    for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}})
        if (auto done = list_family(family, all); !done)
            return done.error();
    std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
    if (unsigned first = 0, last = 0; file >> first >> last)
        all.ephemeral = {first, last};
    return all;
}

Result<bool> SockDiag::end_socket(const Socket& socket) {
    inet_diag_req_v2 request = request_of(socket.family);
    request.id = socket.id;
    const auto code = query(SOCK_DESTROY, NLM_F_ACK, request, ignore_socket);
    if (!code)
        return code.error();
    if (*code != 0 && *code != ENOENT)
        return os_error_of(*code, "ending a socket", *code == EPERM ? "xknockd needs CAP_NET_ADMIN" : "");
    return *code == 0;
}

} // namespace

Result<std::unique_ptr<Sockets>> Sockets::open_sock_diag() {
    mnl_socket* const raw = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
    if (raw == nullptr)
        return os_error("opening a sock_diag netlink socket", "the kernel needs inet_diag and tcp_diag");
    auto sockets = std::make_unique<SockDiag>(raw);
    if (auto done = sockets->bind_socket(); !done)
        return done.error();
    return std::unique_ptr<Sockets>(std::move(sockets));
}

} // namespace xk::nft
