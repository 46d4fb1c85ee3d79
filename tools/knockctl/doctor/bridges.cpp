// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/bridges.h"

#include "daemon/xdp/route_messages.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/doctor/route_netlink.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

namespace xk::tools {
namespace {

struct Link {
    std::string name;
    bool is_bridge = false;
    std::uint32_t master = 0; // 0: none
};
using Links = std::map<std::uint32_t, Link>; // by number

bool is_kind(const nlattr* info, const char* kind) {
    std::pair<const char*, bool> wanted{kind, false};
    mnl_attr_parse_nested(
        info,
        [](const nlattr* part, void* to) {
            auto& [name, found] = *static_cast<std::pair<const char*, bool>*>(to);
            if (mnl_attr_get_type(part) == IFLA_INFO_KIND)
                found = xdp::text_of(part) == name;
            return MNL_CB_OK;
        },
        &wanted);
    return wanted.second;
}

void add_link(const nlmsghdr* message, Links& links) {
    const auto* const header = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    const Attributes attributes = attributes_of(message, sizeof *header);
    Link& link = links[static_cast<std::uint32_t>(header->ifi_index)];
    if (const auto name = attributes.find(IFLA_IFNAME); name != attributes.end())
        link.name = xdp::text_of(name->second);
    if (const auto info = attributes.find(IFLA_LINKINFO); info != attributes.end())
        link.is_bridge = is_kind(info->second, "bridge");
    link.master = number(attributes, IFLA_MASTER).value_or(0);
}

// The address of an interface as the network that it is in.
std::optional<Prefix> network_of(const ifaddrmsg& header, const Attributes& attributes) {
    const auto found = attributes.find(IFA_ADDRESS);
    const std::size_t size = header.ifa_family == AF_INET ? 4 : 16;
    if (found == attributes.end() || mnl_attr_get_payload_len(found->second) < size ||
        header.ifa_scope != RT_SCOPE_UNIVERSE || header.ifa_prefixlen > size * 8)
        return std::nullopt;
    Address address = size == 4 ? Address::v4(0, 0, 0, 0) : Address();
    std::memcpy(address.bytes.data() + (16 - size), mnl_attr_get_payload(found->second), size);
    return Prefix::around(address, header.ifa_prefixlen + (size == 4 ? 96u : 0u));
}

} // namespace

std::vector<BridgeNetwork> read_bridges(const config::Config& config) {
    Links links;
    std::vector<BridgeNetwork> networks;
    if (!dump(RTM_GETLINK, AF_UNSPEC, sizeof(ifinfomsg), [&](const nlmsghdr* m) { add_link(m, links); }))
        return networks;
    const auto is_named = [&](const Link& link) { return std::ranges::count(config.interfaces, link.name) > 0; };
    std::set<std::uint32_t> outside;
    for (const auto& [index, link] : links)
        if (is_named(link))
            outside.insert({index, link.master});
    constexpr std::uint8_t kFamilies[] = {AF_INET, AF_INET6};
    for (const std::uint8_t family : kFamilies)
        (void)dump(RTM_GETADDR, family, sizeof(ifaddrmsg), [&](const nlmsghdr* message) {
            const auto& header = *static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
            const auto link = links.find(header.ifa_index);
            if (link == links.end() || !link->second.is_bridge)
                return;
            if (const auto network = network_of(header, attributes_of(message, sizeof header)))
                networks.push_back({link->second.name, *network, outside.contains(header.ifa_index)});
        });
    return networks;
}

void check_bridges(const config::Config& config, const std::vector<BridgeNetwork>& networks, Findings& findings) {
    if (config.gate_mode == config::GateMode::external) // the administrator's own rules decide what is dropped
        return;
    for (const BridgeNetwork& n : networks) {
        const bool allowed = std::ranges::any_of(config.allow, [&](const Prefix& p) { return p.contains(n.network); });
        if (n.is_outside || allowed)
            continue;
        findings.push_back(
            {Severity::advice, "bridges",
             "containers or guests of " + as_line(n.bridge) + " (" + n.network.text() +
                 ") are strangers too: what they send to a service's port of this host is dropped",
             "if they need one: gate: {allow: [\"" + n.network.text() + "\"]}; it lets in whatever runs there"});
    }
}

} // namespace xk::tools
