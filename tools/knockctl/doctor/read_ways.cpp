// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/ways.h"

#include "protocol/base/fd.h"
#include "tools/knockctl/doctor/command.h"

#include <bpf/bpf.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

namespace xk::tools {
namespace {

constexpr int kIpvsPriority = 99; // at hook input: NF_IP_PRI_NAT_SRC - 1

bool has_modules(const Ruleset& ruleset) {
    return std::ranges::any_of(ruleset.all(), [](const Chain* chain) {
        return std::ranges::any_of(chain->rules, [](const Rule& rule) {
            return std::ranges::any_of(rule.statements,
                                       [](const nlohmann::json& s) { return s.is_object() && s.contains("xt"); });
        });
    });
}

// Those of today are in nft's ruleset too, but their targets and modules are no more than names
// there.
IptablesRules read_iptables() {
    IptablesRules rules;
    for (const bool v4 : {true, false}) {
        const std::string name = v4 ? "iptables" : "ip6tables";
        auto saved = output_of({name + "-nft-save"});
        if (!saved)
            saved = output_of({name + "-save"});
        if (saved)
            rules.merge(parse_iptables(*saved, v4));
    }
    return rules;
}

IptablesRules read_legacy_iptables() {
    IptablesRules rules;
    for (const bool v4 : {true, false}) {
        if (first_line(v4 ? "/proc/self/net/ip_tables_names" : "/proc/self/net/ip6_tables_names").empty())
            continue;
        if (const auto saved = output_of({std::string(v4 ? "iptables" : "ip6tables") + "-legacy-save"}))
            rules.merge(parse_iptables(*saved, v4));
    }
    return rules;
}

// ---- IPVS

// "C0000201:08AE" or "[20010db8000000000000000000000001]:08AE"
std::optional<std::pair<Address, std::uint16_t>> parse_endpoint(const std::string& text) {
    const auto colon = text.rfind(':');
    std::string digits;
    if (colon == text.npos)
        return std::nullopt;
    for (const char c : text.substr(0, colon))
        if (c != ':' && c != '[' && c != ']')
            digits += c;
    Address address = digits.size() == 8 ? Address::v4(0, 0, 0, 0) : Address();
    if (digits.size() != 8 && digits.size() != 32)
        return std::nullopt;
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        const char* const at = digits.data() + i;
        if (std::from_chars(at, at + 2, address.bytes[16 - digits.size() / 2 + i / 2], 16).ptr != at + 2)
            return std::nullopt;
    }
    std::uint16_t port = 0;
    std::from_chars(text.data() + colon + 1, text.data() + text.size(), port, 16);
    return std::pair(address, port);
}

// ---- programs at sk_lookup

std::string name_of_program(std::uint32_t id) {
    const Fd program(bpf_prog_get_fd_by_id(id));
    bpf_prog_info info{};
    std::uint32_t size = sizeof info;
    if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0)
        return "?";
    return info.name;
}

std::vector<std::string> read_socket_programs() {
    struct stat ours {};
    std::vector<std::string> found;
    if (::stat("/proc/self/ns/net", &ours) != 0)
        return found;
    for (std::uint32_t id = 0; bpf_link_get_next_id(id, &id) == 0;) {
        const Fd link(bpf_link_get_fd_by_id(id));
        bpf_link_info info{};
        std::uint32_t size = sizeof info;
        if (link && bpf_obj_get_info_by_fd(link.get(), &info, &size) == 0 && info.type == BPF_LINK_TYPE_NETNS &&
            info.netns.attach_type == BPF_SK_LOOKUP && info.netns.netns_ino == ours.st_ino)
            found.push_back(name_of_program(info.prog_id) + " (link " + std::to_string(id) + ")");
    }
    return found;
}

} // namespace

std::vector<Redirection> parse_ipvs(const std::string& text) {
    std::vector<Redirection> found;
    Condition from;
    std::istringstream lines(text);
    std::string line, service;
    while (std::getline(lines, line)) {
        std::istringstream fields(line);
        std::string word, endpoint, method;
        fields >> word >> endpoint;
        if (word == "TCP" || word == "UDP" || word == "SCTP" || word == "FWM") {
            std::string scheduler;
            fields >> scheduler;
            service = word + " " + endpoint + " " + scheduler;
            from = {};
            if (word != "FWM") // by mark: who knows which
                from.protocols = {word == "TCP" ? IpProtocol::tcp : word == "UDP" ? IpProtocol::udp : IpProtocol::sctp};
            if (const auto at = word == "FWM" ? std::nullopt : parse_endpoint(endpoint)) {
                from.destinations = {AddressRange::of(Prefix::of(at->first))};
                from.ports = at->second == 0 ? PortSet::all() : PortSet::range(at->second, at->second);
            }
        } else if (const auto to = word == "->" && !service.empty() ? parse_endpoint(endpoint) : std::nullopt) {
            fields >> method;
            Landing landing{.kind = Landing::Kind::dnat, .address = AddressRange::of(Prefix::of(to->first))};
            if (method == "Masq" && to->second != 0)
                landing.ports = PortSet::range(to->second, to->second);
            found.push_back({from, landing, service, "IPVS", "input", kIpvsPriority});
        }
    }
    return found;
}

Ways read_ways(const Ruleset& ruleset) {
    Ways ways;
    ways.redirections =
        follow(course_of(ruleset, has_modules(ruleset) ? read_iptables() : IptablesRules()), ways.complete);
    for (Redirection& more : follow(course_of(read_legacy_iptables()), ways.complete))
        ways.redirections.push_back(std::move(more));
    std::ifstream ipvs("/proc/self/net/ip_vs");
    std::stringstream text;
    text << ipvs.rdbuf();
    for (Redirection& more : parse_ipvs(text.str()))
        ways.redirections.push_back(std::move(more));
    if (auto routes = read_routes())
        ways.routes = *std::move(routes);
    else
        ways.complete = false;
    ways.socket_programs = read_socket_programs();
    return ways;
}

} // namespace xk::tools
