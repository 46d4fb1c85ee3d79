// SPDX-License-Identifier: MIT
#include "daemon/xdp/links.h"

#include "protocol/base/quote.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

namespace xk::xdp {

int index_of_interface(const std::string& name) { return static_cast<int>(::if_nametoindex(name.c_str())); }

std::string name_of_interface(int ifindex) {
    char name[IF_NAMESIZE];
    return ::if_indextoname(static_cast<unsigned>(ifindex), name) != nullptr ? name : "";
}

std::string known_interfaces() {
    std::string list;
    if (struct if_nameindex* all = ::if_nameindex()) {
        for (const auto* i = all; i->if_index != 0; ++i)
            list += (list.empty() ? "" : ", ") + std::string(i->if_name);
        ::if_freenameindex(all);
    }
    return list;
}

Error no_interface(const std::vector<std::string>& names) {
    std::string list;
    for (const std::string& name : names)
        list += (list.empty() ? "" : ", ") + in_quotes(name);
    return {"there is no interface " + list, "interfaces here: " + known_interfaces()};
}

Result<std::vector<std::string>> missing_interfaces(const std::vector<std::string>& names) {
    std::vector<std::string> lines;
    for (const std::string& name : names)
        if (index_of_interface(name) == 0)
            lines.push_back("there is no interface " + in_quotes(name) + ": no knock is heard there until it comes");
    if (lines.size() == names.size())
        return no_interface(names);
    return lines;
}

namespace {

// One interface: the interface that it is a part of, and the one below it; 0: none.
struct Relation {
    std::uint32_t master = 0, link = 0;
    bool elsewhere = false; // `link` is in another network namespace
};

int on_relation(const nlattr* attribute, void* to) {
    auto* const r = static_cast<Relation*>(to);
    switch (mnl_attr_get_type(attribute)) {
    case IFLA_MASTER:
        r->master = mnl_attr_get_u32(attribute);
        break;
    case IFLA_LINK:
        r->link = mnl_attr_get_u32(attribute);
        break;
    case IFLA_LINK_NETNSID:
        r->elsewhere = true;
        break;
    default:
        break;
    }
    return MNL_CB_OK;
}

struct Below {
    std::uint32_t of;
    std::vector<std::string> found;
};

int on_link(const nlmsghdr* message, void* to) {
    auto* const below = static_cast<Below*>(to);
    const auto* const info = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    Relation relation;
    mnl_attr_parse(message, sizeof *info, on_relation, &relation);
    if (relation.master == below->of)
        below->found.push_back(name_of_interface(info->ifi_index));
    if (static_cast<std::uint32_t>(info->ifi_index) == below->of && relation.link != 0 && !relation.elsewhere)
        below->found.push_back(name_of_interface(static_cast<int>(relation.link)));
    return MNL_CB_OK;
}

} // namespace

std::vector<std::string> interfaces_below(const std::string& name) {
    Below below{static_cast<std::uint32_t>(index_of_interface(name)), {}};
    const Handle<mnl_socket, mnl_socket_close> socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
    std::vector<char> buffer(32 * 1024);
    nlmsghdr* const request = mnl_nlmsg_put_header(buffer.data());
    request->nlmsg_type = RTM_GETLINK;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    mnl_nlmsg_put_extra_header(request, sizeof(ifinfomsg));
    if (below.of == 0 || !socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0 ||
        mnl_socket_sendto(socket.get(), request, request->nlmsg_len) < 0)
        return {};
    for (int more = MNL_CB_OK; more == MNL_CB_OK;) {
        const ssize_t n = mnl_socket_recvfrom(socket.get(), buffer.data(), buffer.size());
        more = n < 0 ? MNL_CB_ERROR : mnl_cb_run(buffer.data(), static_cast<std::size_t>(n), 0, 0, on_link, &below);
    }
    return below.found;
}

Result<LinkWatch> LinkWatch::open() {
    LinkWatch watch(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
    int group = RTNLGRP_LINK;
    if (!watch.socket_ || mnl_socket_bind(watch.socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0 ||
        mnl_socket_setsockopt(watch.socket_.get(), NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
        return os_error("listening for changes of interfaces");
    return watch;
}

Result<bool> LinkWatch::update() {
    char message; // only its arrival matters: the caller reads everything again
    for (bool notified = false;; notified = true) {
        const ssize_t n = ::recv(poll_fd(), &message, sizeof message, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return notified;
        if (n < 0 && errno != ENOBUFS && errno != EINTR)
            return os_error("listening for changes of interfaces");
    }
}

} // namespace xk::xdp
