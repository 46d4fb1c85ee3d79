// SPDX-License-Identifier: MIT
#include "daemon/nft/transaction.h"

#include "daemon/nft/answer.h"

#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <algorithm>

namespace xk::nft {
namespace {

constexpr std::size_t kRoom = 32 * 1024;          // for one message; ours are smaller
constexpr std::size_t kReceiveBuffer = 64 * 1024; // a dump comes in pieces of at most 32 KiB
constexpr timeval kAnswerPatience{5, 0};

// MNL_ALIGN and MNL_NLMSG_HDRLEN without their signed arithmetic.
constexpr std::size_t aligned(std::size_t n) { return (n + 3) & ~std::size_t{3}; }
constexpr std::size_t kHeader = aligned(sizeof(nlmsghdr));

constexpr const char* kRights = "xknockd needs CAP_NET_ADMIN and a kernel with nf_tables";

} // namespace

Transaction::Transaction() {
    next(NFNL_MSG_BATCH_BEGIN, AF_UNSPEC, 0);
    messages_ = 0;
}

nlmsghdr* Transaction::next(std::uint16_t type, std::uint16_t family, std::uint16_t flags) {
    if (size_ - used_ < kRoom) {
        size_ = 2 * (size_ + kRoom);
        auto larger = std::make_unique_for_overwrite<char[]>(size_);
        std::copy_n(buffer_.get(), used_, larger.get());
        buffer_ = std::move(larger);
    }
    char* const at = buffer_.get() + used_;
    nlmsghdr* header = nullptr;
    if (type == NFNL_MSG_BATCH_BEGIN)
        header = nftnl_batch_begin(at, sequence_++);
    else if (type == NFNL_MSG_BATCH_END)
        header = nftnl_batch_end(at, sequence_++);
    else
        header = nftnl_nlmsg_build_hdr(at, type, family, flags, sequence_++);
    last_ = used_;
    ++messages_;
    used_ += header->nlmsg_len;
    return header;
}

void Transaction::add(std::uint16_t type, std::uint16_t flags, const std::function<void(nlmsghdr*)>& fill) {
    nlmsghdr* const header = next(type, NFPROTO_INET, flags);
    fill(header);
    used_ = last_ + aligned(header->nlmsg_len);
}

void Transaction::for_each_message(const std::function<void(const nlmsghdr*)>& visit) const {
    int left = static_cast<int>(used_);
    for (auto* h = reinterpret_cast<const nlmsghdr*>(buffer_.get()); mnl_nlmsg_ok(h, left);
         h = mnl_nlmsg_next(h, &left))
        if (h->nlmsg_type != NFNL_MSG_BATCH_BEGIN)
            visit(h);
}

void Transaction::finish() {
    // Only the last message asks for an answer; a message that fails answers by itself.
    reinterpret_cast<nlmsghdr*>(buffer_.get() + last_)->nlmsg_flags |= NLM_F_ACK;
    next(NFNL_MSG_BATCH_END, AF_UNSPEC, 0);
}

Result<Socket> Socket::open_nf_tables() {
    mnl_socket* const raw = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (raw == nullptr)
        return os_error("opening a netfilter netlink socket", kRights);
    Socket socket(raw);
    if (mnl_socket_bind(raw, 0, MNL_SOCKET_AUTOPID) < 0)
        return os_error("binding a netfilter netlink socket");
    // A table with all the grants and bans that there may be is rebuilt by one message, of some 70 MiB with the longest
    // comments, and it must fit. The kernel doubles the number, and takes memory only for what is sent.
    const int fd = mnl_socket_get_fd(raw);
    const int size = 64 * 1024 * 1024;
    if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0 ||
        ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        return os_error("enlarging netlink buffers", kRights);
    if (::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kAnswerPatience, sizeof kAnswerPatience) != 0)
        return os_error("setting a netlink time limit");
    return socket;
}

std::optional<Socket> Socket::adopt(Fd fd) {
    int domain = 0, protocol = 0;
    socklen_t size = sizeof domain;
    if (!fd || ::getsockopt(fd.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_NETLINK ||
        ::getsockopt(fd.get(), SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0 || protocol != NETLINK_NETFILTER)
        return std::nullopt;
    mnl_socket* const raw = mnl_socket_fdopen(fd.get());
    if (raw == nullptr)
        return std::nullopt;
    (void)fd.release();
    return Socket(raw);
}

Result<void> Socket::send(const void* data, std::size_t size) {
    // An exchange that failed earlier may have left answers behind; they are not this one's.
    char stale[kReceiveBuffer];
    while (::recv(mnl_socket_get_fd(socket_.get()), stale, sizeof stale, MSG_DONTWAIT) > 0) {
    }
    if (mnl_socket_sendto(socket_.get(), data, size) < 0)
        return os_error("sending to nf_tables");
    return {};
}

Result<void> Socket::commit(Transaction&& transaction) {
    if (transaction.empty() || !socket_)
        return {};
    transaction.finish();
    const auto* const first = reinterpret_cast<const nlmsghdr*>(transaction.buffer_.get());
    const auto* const last = reinterpret_cast<const nlmsghdr*>(transaction.buffer_.get() + transaction.last_);
    if (auto sent = send(transaction.buffer_.get(), transaction.used_); !sent)
        return sent;

    return receive_answer(first->nlmsg_seq, last->nlmsg_seq - 1);
}

Result<void> Socket::receive_answer(std::uint32_t first, std::uint32_t last) {
    int failure = 0;
    alignas(nlmsghdr) char buffer[kReceiveBuffer];
    for (;;) {
        const ssize_t received = mnl_socket_recvfrom(socket_.get(), buffer, sizeof buffer);
        if (received < 0)
            return os_error("nf_tables did not answer, and may have done the transaction or not");
        int left = static_cast<int>(received);
        for (auto* h = reinterpret_cast<const nlmsghdr*>(buffer); mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
            if (h->nlmsg_type != NLMSG_ERROR)
                continue;
            const auto code = code_of(h);
            if (!code)
                return Error(code.error()).within("nf_tables may have done the transaction or not");
            if (failure == 0)
                failure = *code;
            // The batch's own header is answered only when all of it was refused.
            if (h->nlmsg_seq != last && h->nlmsg_seq != first)
                continue;
            if (failure == 0)
                return {};
            return os_error_of(failure, "nf_tables refused a transaction", failure == -EPERM ? kRights : "");
        }
    }
}

Result<void> Socket::dump(std::uint16_t type, const std::function<void(nlmsghdr*)>& fill,
                          const std::function<void(const nlmsghdr*)>& visit) {
    auto dump = whole_dump(type, fill);
    if (!dump)
        return dump.error();
    dump->for_each_message(visit);
    return {};
}

Result<Dump> Socket::whole_dump(std::uint16_t type, const std::function<void(nlmsghdr*)>& fill) {
    if (!socket_)
        return Dump(0);
    return repeat_until_whole([&] { return request_dump(type, fill); });
}

Result<Dump> Socket::request_dump(std::uint16_t type, const std::function<void(nlmsghdr*)>& fill) {
    char request[kHeader + 4096];
    nlmsghdr* const header = nftnl_nlmsg_build_hdr(request, type, NFPROTO_INET, NLM_F_DUMP, ++sequence_);
    if (fill)
        fill(header);
    if (auto sent = send(header, header->nlmsg_len); !sent)
        return sent.error();
    Dump dump(sequence_);
    alignas(nlmsghdr) char buffer[kReceiveBuffer];
    for (;;) {
        const ssize_t received = mnl_socket_recvfrom(socket_.get(), buffer, sizeof buffer);
        if (received < 0)
            return os_error("waiting for an nf_tables dump");
        const auto last = dump.add_datagram({buffer, static_cast<std::size_t>(received)});
        if (!last)
            return last.error();
        if (*last)
            return dump;
    }
}

} // namespace xk::nft
