// SPDX-License-Identifier: MIT
#include "daemon/xdp/links.h"

#include "daemon/xdp/route_messages.h"
#include "protocol/base/quote.h"

#include <linux/rtnetlink.h>
#include <net/if.h>

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

constexpr const char* kListeningForLinks = "listening for changes of interfaces";

int on_relation(const nlattr* attribute, void* to) {
    auto* const r = static_cast<Relation*>(to);
    switch (mnl_attr_get_type(attribute)) {
    case IFLA_MASTER:
        r->master = number_of<std::uint32_t>(attribute).value_or(0);
        break;
    case IFLA_LINK:
        r->link = number_of<std::uint32_t>(attribute).value_or(0);
        break;
    case IFLA_LINK_NETNSID:
        r->elsewhere = true;
        break;
    default:
        break;
    }
    return MNL_CB_OK;
}

} // namespace

Relation relation_of(const nlmsghdr* message) {
    Relation relation;
    mnl_attr_parse(message, sizeof(ifinfomsg), on_relation, &relation);
    return relation;
}

std::vector<std::string> interfaces_below(const std::string& name) {
    std::vector<std::string> found;
    const int of = index_of_interface(name);
    if (of == 0)
        return found;
    const auto take = [&](const nlmsghdr* message) {
        const auto* const info = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
        const Relation relation = relation_of(message);
        if (static_cast<int>(relation.master) == of)
            found.push_back(name_of_interface(info->ifi_index));
        if (info->ifi_index == of && relation.link != 0 && !relation.elsewhere)
            found.push_back(name_of_interface(static_cast<int>(relation.link)));
    };
    (void)ask_route({RTM_GETLINK}, ifinfomsg{}, "", take); // it is for a hint: what cannot be found is left out
    return found;
}

Result<LinkWatch> LinkWatch::open() {
    auto socket = open_route_socket({RTNLGRP_LINK}, kListeningForLinks);
    if (!socket)
        return socket.error();
    return LinkWatch(*std::move(socket));
}

Result<bool> LinkWatch::update() { return take_notifications(socket_.get(), kListeningForLinks); }

} // namespace xk::xdp
