// SPDX-License-Identifier: MIT
#include "daemon/nft/watch.h"

#include "protocol/base/quote.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <string_view>
#include <utility>

namespace xk::nft {
namespace {

constexpr std::size_t kBuffer = 64 * 1024;
constexpr int kReceiveRoom = 4 * 1024 * 1024;

// Every message of nf_tables has the name of its table as attribute 1 (NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, ...).
constexpr std::uint16_t kTableName = 1;
static_assert(NFTA_TABLE_NAME == kTableName && NFTA_CHAIN_TABLE == kTableName && NFTA_RULE_TABLE == kTableName &&
              NFTA_SET_TABLE == kTableName && NFTA_SET_ELEM_LIST_TABLE == kTableName);

const nlattr* attribute(const nlmsghdr* message, std::uint16_t type) {
    struct Search {
        std::uint16_t type;
        const nlattr* found;
    } search{type, nullptr};
    mnl_attr_parse(
        message, sizeof(nfgenmsg),
        [](const nlattr* each, void* to) {
            auto* const s = static_cast<Search*>(to);
            if (mnl_attr_get_type(each) == s->type)
                s->found = each;
            return MNL_CB_OK;
        },
        &search);
    return search.found;
}

std::string_view text(const nlattr* attribute) {
    if (attribute == nullptr || mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0)
        return {};
    return mnl_attr_get_str(attribute);
}

} // namespace

Result<Watch> Watch::open_watch(const std::string& table, std::uint32_t own) {
    mnl_socket* const raw = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (raw == nullptr)
        return os_error("opening a netfilter netlink socket");
    Watch watch(raw, table, own);
    int group = NFNLGRP_NFTABLES;
    if (mnl_socket_bind(raw, 0, MNL_SOCKET_AUTOPID) < 0 ||
        mnl_socket_setsockopt(raw, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
        return os_error("listening for changes of nf_tables", "xknockd needs CAP_NET_ADMIN");
    // Best effort: where reports do not fit, the kernel says so (ENOBUFS), and the caller repairs all.
    (void)::setsockopt(mnl_socket_get_fd(raw), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveRoom, sizeof kReceiveRoom);
    return watch;
}

void Watch::on_end_of_transaction(const nlmsghdr* message) {
    if (!std::exchange(in_transaction_, false))
        return;
    const nlattr* const pid = attribute(message, NFTA_GEN_PROC_PID);
    const std::string_view name = text(attribute(message, NFTA_GEN_PROC_NAME));
    if (pid != nullptr && mnl_attr_validate(pid, MNL_TYPE_U32) >= 0)
        change_.by = printable(name, 64) + " (pid " + std::to_string(ntohl(mnl_attr_get_u32(pid))) + ")";
}

void Watch::on_message(const nlmsghdr* message) {
    const auto type = static_cast<std::uint16_t>(message->nlmsg_type & 0xff);
    if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || message->nlmsg_len < NLMSG_HDRLEN + sizeof(nfgenmsg))
        return;
    if (type == NFT_MSG_NEWGEN)
        return on_end_of_transaction(message);
    const auto* const head = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
    if (message->nlmsg_pid == own_ || head->nfgen_family != NFPROTO_INET ||
        text(attribute(message, kTableName)) != table_)
        return;
    const bool element = type == NFT_MSG_NEWSETELEM || type == NFT_MSG_DELSETELEM;
    (element ? change_.elements : change_.objects) = true;
    in_transaction_ = true;
}

Result<std::optional<Change>> Watch::read_changes() {
    alignas(nlmsghdr) char buffer[kBuffer];
    for (;;) {
        const ssize_t n = ::recv(poll_fd(), buffer, sizeof buffer, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == ENOBUFS) {
            change_.lost = true;
            continue;
        }
        if (n < 0 && errno != EAGAIN)
            return os_error("listening for changes of nf_tables");
        // The report of who made it follows at once.
        pollfd more{poll_fd(), POLLIN, 0};
        if (n < 0 && in_transaction_ && ::poll(&more, 1, 10) > 0)
            continue;
        if (n < 0)
            break;
        int left = static_cast<int>(n);
        for (auto* h = reinterpret_cast<const nlmsghdr*>(buffer); mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
            on_message(h);
    }
    in_transaction_ = false;
    if (!change_.objects && !change_.elements && !change_.lost)
        return std::optional<Change>();
    return std::optional(std::exchange(change_, {}));
}

} // namespace xk::nft
