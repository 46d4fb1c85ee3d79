// SPDX-License-Identifier: MIT
//
// Reads the surroundings from the kernel.
#include "daemon/lifecycle/ssh_caller.h"
#include "daemon/nft/ruleset.h"
#include "daemon/xdp/link_layer.h"
#include "daemon/xdp/links.h"
#include "tools/knockctl/doctor/route_netlink.h"
#include "tools/knockctl/doctor/ruleset.h"
#include "tools/knockctl/host/setup/surroundings.h"

#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netdb.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>

namespace xk::tools::setup {
namespace {

std::string content_of(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

// Kinds of interfaces by name, as rtnetlink(7) has them: sysfs may be that of another network namespace.
using LinkKinds = std::map<std::string, xdp::LinkFacts>;
LinkKinds read_kinds() {
    LinkKinds kinds;
    (void)dump(RTM_GETLINK, AF_UNSPEC, sizeof(ifinfomsg), [&](const nlmsghdr* message) {
        const Attributes attributes = attributes_of(message, sizeof(ifinfomsg));
        if (const auto name = attributes.find(IFLA_IFNAME); name != attributes.end())
            kinds[mnl_attr_get_str(name->second)] = xdp::link_facts_of(message);
    });
    return kinds;
}

Interface::Kind kind_of(const xdp::LinkFacts& facts) {
    if (!xdp::link_layer_of(facts.type, facts.kind))
        return Interface::other;
    return facts.kind == "bridge" ? Interface::bridge
           : facts.kind == "bond" ? Interface::bond
           : facts.kind == "vlan" ? Interface::vlan
                                  : Interface::ordinary;
}

// A bridge's ports to guests are no hardware.
std::vector<std::string> heard_below(const Interface& interface, const LinkKinds& kinds) {
    if (interface.kind != Interface::bridge && interface.kind != Interface::bond && interface.kind != Interface::vlan)
        return {};
    std::vector<std::string> below = xdp::interfaces_below(interface.name);
    if (interface.kind == Interface::bridge)
        std::erase_if(below, [&](const std::string& port) {
            const auto found = kinds.find(port);
            return found == kinds.end() || !found->second.kind.empty();
        });
    return below;
}

bool is_link_local(const Address& address) {
    return (address.is_v4() && address.bytes[12] == 169 && address.bytes[13] == 254) ||
           (!address.is_v4() && address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80);
}

std::vector<Interface> read_interfaces() {
    std::map<std::string, Interface> all;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0)
        return {};
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owned(list, ::freeifaddrs);
    for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
        if ((i->ifa_flags & IFF_LOOPBACK) != 0)
            continue;
        Interface& interface = all[i->ifa_name];
        interface.name = i->ifa_name;
        interface.up = (i->ifa_flags & IFF_UP) != 0;
        if (i->ifa_addr == nullptr || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
            continue;
        if (const Address address = Address::of(*i->ifa_addr); !is_link_local(address))
            interface.addresses.push_back(address);
    }
    auto defaults = default_routes4(content_of("/proc/self/net/route"));
    defaults.merge(default_routes6(content_of("/proc/self/net/ipv6_route")));
    LinkKinds kinds = read_kinds();
    std::vector<Interface> interfaces;
    for (auto& [name, interface] : all) {
        interface.default_route = defaults.count(name) > 0;
        interface.kind = kind_of(kinds[name]);
        interface.below = heard_below(interface, kinds);
        interfaces.push_back(std::move(interface));
    }
    return interfaces;
}

void read_firewalls(Surroundings& around) {
    const auto ruleset = Ruleset::read();
    if (!ruleset) {
        around.nothing_of_rules = ruleset.error().message;
        return;
    }
    const auto add = [&](const std::string& name) {
        if (std::ranges::count(around.firewalls, name) == 0)
            around.firewalls.push_back(name);
    };
    for (const Chain* const chain : ruleset->all()) {
        if (chain->family == "inet" && chain->table == nft::kTable)
            continue;
        const bool filter = chain->table == "filter" && (chain->family == "ip" || chain->family == "ip6");
        if (chain->family == "inet" && chain->table == "firewalld")
            add("firewalld");
        else if (filter && ruleset->find(chain->family, "filter",
                                         chain->family == "ip" ? "ufw-user-input" : "ufw6-user-input") != nullptr)
            add("ufw");
        else if (!chain->hook.empty())
            add("table " + chain->family + " " + chain->table);
    }
}

// A name that leads elsewhere, or to loopback as Debian's /etc/hosts has it, is of no use to clients.
std::string own_full_name(const std::vector<Interface>& interfaces) {
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) != 0)
        return {};
    addrinfo wanted{}, *list = nullptr;
    wanted.ai_flags = AI_CANONNAME;
    wanted.ai_socktype = SOCK_STREAM;
    if (::getaddrinfo(name, nullptr, &wanted, &list) != 0)
        return {};
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(list, ::freeaddrinfo);
    const std::string full = list->ai_canonname != nullptr ? list->ai_canonname : name;
    for (const addrinfo* i = list; i != nullptr; i = i->ai_next)
        for (const Interface& interface : interfaces)
            if (full.find('.') != std::string::npos &&
                std::ranges::count(interface.addresses, Address::of(*i->ai_addr)) > 0)
                return full;
    return {};
}

// Root by sudo or su is somebody else; the kernel keeps who logged in.
std::string who_logged_in() {
    if (const char* const sudo = std::getenv("SUDO_USER"); sudo != nullptr && *sudo != '\0')
        return sudo;
    const std::string number = content_of("/proc/self/loginuid");
    const unsigned long uid = number.empty() ? ~0UL : std::strtoul(number.c_str(), nullptr, 10);
    const passwd* const entry = ::getpwuid(uid < 0xffffffffUL ? static_cast<uid_t>(uid) : ::getuid());
    return entry == nullptr ? "root" : entry->pw_name;
}

} // namespace

Surroundings look_around() {
    Surroundings around;
    around.interfaces = read_interfaces();
    around.listeners = list_listeners();
    std::erase_if(around.listeners, [](const Listener& l) { return l.address.is_loopback(); });
    around.sessions = tcp_sessions();
    const SshCaller caller = ssh_caller();
    around.caller = caller.client;
    around.own = caller.session;
    read_firewalls(around);
    timex clock{};
    if (const int state = ::adjtimex(&clock); state >= 0)
        around.clock_synchronised = state != TIME_ERROR;
    around.host_name = own_full_name(around.interfaces);
    around.person = around.login = who_logged_in();
    return around;
}

} // namespace xk::tools::setup
