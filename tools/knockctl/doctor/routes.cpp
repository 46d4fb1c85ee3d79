// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/routes.h"

#include "daemon/xdp/route_messages.h"
#include "tools/knockctl/doctor/route_netlink.h"

#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <optional>

namespace xk::tools {
namespace {

constexpr std::size_t kMaxLocals = 10000; // more is said of none
constexpr std::uint8_t kFamilies[] = {AF_INET, AF_INET6};
// The addresses of an attribute and a length; without the attribute all of the family.
AddressRange range_of(const Attributes& attributes, std::uint16_t type, std::uint8_t family, std::uint8_t length) {
    Address address = family == AF_INET ? Address::v4(0, 0, 0, 0) : Address();
    if (const auto found = attributes.find(type); found != attributes.end()) {
        const std::size_t size = family == AF_INET ? 4 : 16;
        if (mnl_attr_get_payload_len(found->second) >= size)
            std::memcpy(address.bytes.data() + (16 - size), mnl_attr_get_payload(found->second), size);
    }
    const auto bits =
        static_cast<std::uint8_t>(family == AF_INET ? std::min<int>(length, 32) + 96 : std::min<int>(length, 128));
    return AddressRange::of({address, bits});
}

// ---- rules

struct RouteRule {
    std::uint8_t family;
    std::uint32_t table;
    std::string text;
};

std::optional<RouteRule> rule_of(const nlmsghdr* message) {
    const auto* const header = static_cast<const fib_rule_hdr*>(mnl_nlmsg_get_payload(message));
    const Attributes attributes = attributes_of(message, sizeof *header);
    if (header->action != FR_ACT_TO_TBL)
        return std::nullopt;
    RouteRule rule{header->family, number(attributes, FRA_TABLE).value_or(header->table), {}};
    const auto add = [&](const std::string& part) { rule.text += (rule.text.empty() ? "" : " ") + part; };
    if (header->src_len != 0)
        add("from " + range_of(attributes, FRA_SRC, header->family, header->src_len).text());
    if (header->dst_len != 0)
        add("to " + range_of(attributes, FRA_DST, header->family, header->dst_len).text());
    if (const auto mark = number(attributes, FRA_FWMARK)) {
        char hexadecimal[16];
        std::snprintf(hexadecimal, sizeof hexadecimal, "0x%x", *mark);
        add(std::string("fwmark ") + hexadecimal);
    }
    if (const auto in = attributes.find(FRA_IIFNAME); in != attributes.end())
        add("iif " + xdp::text_of(in->second));
    return rule;
}

Result<std::vector<RouteRule>> read_rules() {
    std::vector<RouteRule> rules;
    for (const std::uint8_t family : kFamilies) {
        auto done = dump(RTM_GETRULE, family, sizeof(fib_rule_hdr), [&](const nlmsghdr* message) {
            if (auto rule = rule_of(message))
                rules.push_back(*rule);
        });
        if (!done)
            return done.error();
    }
    return rules;
}

// ---- routes

// Names the unpacking that a lightweight tunnel does behind prerouting. Those that only add a header on the way out
// have none.
const char* unpacking(std::uint16_t encapsulation) {
    switch (encapsulation) {
    case LWTUNNEL_ENCAP_ILA:
        return "ila";
    case LWTUNNEL_ENCAP_BPF:
        return "bpf";
    case LWTUNNEL_ENCAP_SEG6_LOCAL:
        return "seg6local";
    default:
        return nullptr;
    }
}

// Routes that the kernel keeps beside each other for one destination have their nexthops'
// attributes inside.
void add_unpacked(const nlmsghdr* message, Routes& routes) {
    const auto* const header = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
    const Attributes attributes = attributes_of(message, sizeof *header);
    const auto found = attributes.find(RTA_ENCAP_TYPE);
    if (found == attributes.end())
        return;
    const char* const how = unpacking(xdp::number_of<std::uint16_t>(found->second).value_or(0));
    if (how != nullptr)
        routes.unpacked.push_back({range_of(attributes, RTA_DST, header->rtm_family, header->rtm_dst_len), how});
}

void add_local(const nlmsghdr* message, const std::vector<RouteRule>& rules, Routes& routes) {
    const auto* const header = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
    if (header->rtm_type != RTN_LOCAL || routes.locals.size() >= kMaxLocals)
        return;
    const Attributes attributes = attributes_of(message, sizeof *header);
    const std::uint32_t table = number(attributes, RTA_TABLE).value_or(header->rtm_table);
    if (table == RT_TABLE_LOCAL)
        return;
    const AddressRange to = range_of(attributes, RTA_DST, header->rtm_family, header->rtm_dst_len);
    for (const RouteRule& rule : rules)
        if (rule.table == table && rule.family == header->rtm_family)
            routes.locals.push_back({to, table, rule.text});
}

// ---- VRFs

void add_vrf(const nlmsghdr* message, Routes& routes) {
    const Attributes attributes = attributes_of(message, sizeof(ifinfomsg));
    const auto info = attributes.find(IFLA_LINKINFO), name = attributes.find(IFLA_IFNAME);
    if (info == attributes.end() || name == attributes.end())
        return;
    bool in_vrf = false;
    mnl_attr_parse_nested(
        info->second,
        [](const nlattr* part, void* to) {
            if (mnl_attr_get_type(part) == IFLA_INFO_SLAVE_KIND)
                *static_cast<bool*>(to) = xdp::text_of(part) == "vrf";
            return MNL_CB_OK;
        },
        &in_vrf);
    char master[IF_NAMESIZE] = {};
    if (const auto index = number(attributes, IFLA_MASTER); in_vrf && index)
        ::if_indextoname(*index, master);
    if (in_vrf)
        routes.vrfs.push_back({xdp::text_of(name->second), master});
}

} // namespace

Result<Routes> read_routes() {
    const auto rules = read_rules();
    if (!rules)
        return rules.error();
    Routes routes;
    for (const std::uint8_t family : kFamilies) {
        auto done = dump(RTM_GETROUTE, family, sizeof(rtmsg), [&](const nlmsghdr* message) {
            add_local(message, *rules, routes);
            add_unpacked(message, routes);
        });
        if (!done)
            return done.error();
    }
    auto done = dump(RTM_GETLINK, AF_UNSPEC, sizeof(ifinfomsg), [&](const nlmsghdr* m) { add_vrf(m, routes); });
    if (!done)
        return done.error();
    return routes;
}

} // namespace xk::tools
