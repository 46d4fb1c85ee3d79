// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/firewall.h"

#include "daemon/nft/ruleset_rules.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/doctor/protected_ports.h"
#include "tools/knockctl/doctor/walk.h"

#include <algorithm>
#include <cstring>
#include <map>

namespace xk::tools {
namespace {

constexpr const char* kOurFamily = "inet";
constexpr const char* kOurChain = "prerouting";

// What the chains of other tables do to the packet, in their order.
struct Passage {
    Truth dropped = Truth::no;
    std::vector<Place> drops, accepts;
    Truth leaves = Truth::no; // to another host or container
    std::optional<Place> sent_by;
};

void add(std::vector<Place>& to, const std::vector<Place>& from) { to.insert(to.end(), from.begin(), from.end()); }

Passage pass(const Firewall& f, Packet packet) {
    Passage passage;
    for (const Chain* chain : f.ruleset.on_the_way_in()) {
        if (is_ours(*chain) || !meets(*chain, packet) || (chain->hook == "input" && passage.leaves == Truth::yes))
            continue;
        const WalkResult result = walk(f.ruleset, *chain, packet);
        if (result.dropped() == Truth::yes && !(chain->hook == "input" && passage.leaves == Truth::maybe))
            return {Truth::yes, result.drops, {}, passage.leaves, passage.sent_by};
        if (result.dropped() != Truth::no) {
            passage.dropped = Truth::maybe;
            add(passage.drops, result.drops);
            add(passage.accepts, result.accepts);
        }
        if (result.sent_elsewhere && passage.leaves != Truth::yes) {
            passage.leaves = result.leaves;
            passage.sent_by = result.sent_elsewhere;
        }
        if (result.port_changed)
            packet.port = result.port;
    }
    return passage;
}

// Returns the command that lets the port in, in the language of the tool that made the chain.
std::string remedy(const Ruleset& ruleset, const Place& place, const Endpoint& endpoint) {
    const std::string protocol(name_of(endpoint.protocol)), port = std::to_string(endpoint.port);
    const std::string why = "; strangers stay outside all the same";
    const auto of_table = [&](std::string_view table) {
        return place.chain.find(" " + std::string(table)) != std::string::npos;
    };
    if (of_table("inet firewalld"))
        return "firewall-cmd --permanent --add-port=" + port + "/" + protocol + "; firewall-cmd --reload" + why;
    for (const auto& [family, tool, ufw] :
         {std::tuple("ip", "iptables", "ufw-user-input"), std::tuple("ip6", "ip6tables", "ufw6-user-input")}) {
        if (!place.chain.ends_with(std::string(" of table ") + family + " filter"))
            continue;
        if (ruleset.find(family, "filter", ufw) != nullptr)
            return "ufw allow " + port + "/" + protocol + why;
        if (ruleset.find(family, "filter", "INPUT") != nullptr)
            return std::string(tool) + " -I INPUT -p " + protocol + " --dport " + port + " -j ACCEPT" + why;
    }
    return "let " + protocol + " dport " + port + " pass there" + why;
}

// ---- the ruleset

void check_port(const Firewall& f, const Endpoint& endpoint, MergedFindings& merged) {
    for_all_ways(f, endpoint, Source::stranger, [&](const Packet& packet) {
        const std::string what = label(f.config, endpoint) + " is not protected: ";
        std::vector<Place> accepts;
        for (const Chain* chain : f.ruleset.on_the_way_in()) {
            if (!meets(*chain, packet))
                continue;
            const WalkResult result = walk(f.ruleset, *chain, packet);
            if (is_ours(*chain) && shuts(result))
                return;
            if (is_ours(*chain) && chain->type != "nat")
                accepts = result.accepts; // of the last chain, which lets it pass
            if (!is_ours(*chain) && (result.port_changed || result.leaves != Truth::no))
                return merged.add(what + printable(chain->label()) +
                                      " changes its address or port before xknock sees it",
                                  "give that chain a priority above -150", Severity::problem, packet);
        }
        if (!accepts.empty())
            merged.add(what + text_of(accepts) + " lets strangers pass", "restart xknockd: it makes its table anew",
                       Severity::problem, packet);
        else
            merged.add(what + "no rule of table inet xknock drops it",
                       "knockctl reload, or a restart of xknockd: it takes the configuration as it is now",
                       Severity::problem, packet);
    });
}

void check_table(const Firewall& f, Findings& findings) {
    const Chain* const ruleset = f.ruleset.find(kOurFamily, nft::kTable, kOurChain);
    if (ruleset == nullptr || ruleset->hook != "prerouting") {
        findings.push_back({Severity::problem, "ruleset",
                            ruleset == nullptr ? "there is no table inet xknock: every service is open to everybody"
                                               : "the chain of table inet xknock is not where packets pass",
                            "start xknockd: it makes its table"});
        return;
    }
    MergedFindings merged;
    for (const Endpoint& endpoint : local_endpoints(f.config))
        check_port(f, endpoint, merged);
    merged.report("ruleset", findings);
    if (merged.empty())
        findings.push_back({Severity::ok, "ruleset", "every service's port is shut to strangers", {}});
}

void check_external(const Firewall& f, Findings& findings) {
    const config::External& external = f.config.external;
    const auto before = findings.size();
    for (const std::string& set : {external.set4, external.set6})
        if (!f.ruleset.uses("inet", external.table, set))
            findings.push_back(
                {Severity::problem, "ruleset",
                 "no rule of table inet " + external.table + " uses set " + set + ": a grant opens nothing",
                 "a rule like: ip saddr . meta l4proto . th dport @" + set + " accept"});
    MergedFindings merged;
    for (const Endpoint& endpoint : local_endpoints(f.config))
        for_all_ways(f, endpoint, Source::stranger, [&](const Packet& packet) {
            const Passage passage = pass(f, packet);
            if (passage.dropped == Truth::yes)
                return;
            const std::string what = label(f.config, endpoint);
            if (passage.leaves != Truth::no)
                merged.add("whether strangers reach " + what + " cannot be told: " + text_of({*passage.sent_by}) +
                               " sends it elsewhere",
                           "look at the rules of hook forward", Severity::advice, packet);
            else if (passage.dropped == Truth::no)
                merged.add(what + " is not protected: none of your rules drops it without a grant",
                           "in mode external your own rules shut the ports", Severity::problem, packet);
            else
                merged.add("strangers may reach " + what + ": it depends on " +
                               text_of(passage.accepts.empty() ? passage.drops : passage.accepts),
                           "in mode external your own rules shut the ports", Severity::advice, packet);
        });
    merged.report("ruleset", findings);
    if (findings.size() == before)
        findings.push_back({Severity::ok, "ruleset", "your own rules shut every service's port to strangers", {}});
}

} // namespace

void check_ruleset(const Firewall& firewall, Findings& findings) {
    if (firewall.config.gate_mode == config::GateMode::table)
        check_table(firewall, findings);
    else
        check_external(firewall, findings);
}

void check_others(const Firewall& f, Findings& findings) {
    MergedFindings merged;
    for (const Endpoint& endpoint : local_endpoints(f.config))
        for_all_ways(f, endpoint, Source::granted, [&](const Packet& packet) {
            const Passage passage = pass(f, packet);
            if (passage.dropped == Truth::no)
                return;
            const std::string hint = remedy(f.ruleset, passage.drops.front(), endpoint);
            if (passage.dropped == Truth::yes)
                merged.add(label(f.config, endpoint) +
                               " is dropped all the same, whoever has a grant: " + text_of(passage.drops),
                           hint, Severity::problem, packet);
            else
                merged.add(
                    label(f.config, endpoint) + " may be dropped, whoever has a grant: " + text_of(passage.drops) +
                        (passage.accepts.empty() ? "" : "; it passes where this holds: " + text_of(passage.accepts)),
                    hint, Severity::advice, packet);
        });
    merged.report("firewall", findings);
    if (merged.empty())
        findings.push_back({Severity::ok, "firewall", "nobody else's rules shut a service's port", {}});
}

// ---- who listens

namespace {

bool is_local(const Address& address) { return address.is_loopback(); }
bool is_any(const Address& address) { return address == Address{} || address == Address::v4(0, 0, 0, 0); }

// Whether any packet of a stranger reaches the listener.
bool faces_world(const Firewall& f, const Listener& listener) {
    if (is_local(listener.address))
        return false;
    bool reached = false;
    for_all_ways(f, listener.endpoint, Source::stranger, [&](const Packet& packet) {
        const bool both_families = is_any(listener.address) && !listener.v4;
        if (!both_families && packet.v4 != listener.address.is_v4())
            return;
        const Passage passage = pass(f, packet);
        reached = reached || (passage.dropped != Truth::yes && passage.leaves != Truth::yes);
    });
    return reached;
}

void check_services(const Firewall& f, const std::vector<Listener>& listeners, Findings& findings) {
    for (const Endpoint& endpoint : local_endpoints(f.config)) {
        const authz::Service* const service = service_at(f.config, endpoint);
        // Of a range not every port needs a listener, and a published port has its listener on the host behind this
        // one.
        if ((endpoint.protocol != IpProtocol::tcp && endpoint.protocol != IpProtocol::udp) ||
            service->published == endpoint || service->has_ranges())
            continue;
        bool sent_elsewhere = false; // a container's port
        for_all_ways(f, endpoint, Source::granted,
                     [&](const Packet& packet) { sent_elsewhere |= pass(f, packet).leaves != Truth::no; });
        const auto listens = [&](const Listener& l) { return l.endpoint == endpoint; };
        const auto outside = [&](const Listener& l) { return listens(l) && !is_local(l.address); };
        if (sent_elsewhere || std::ranges::any_of(listeners, outside))
            continue;
        const bool inside = std::ranges::any_of(listeners, listens);
        findings.push_back({Severity::advice, "listeners",
                            label(f.config, endpoint) +
                                (inside ? ": it is listened on at loopback addresses only" : ": nobody listens on it"),
                            inside ? "a grant opens nothing; let the service listen on the address that clients use"
                                   : "start the service, or take the port out of the configuration"});
    }
}

} // namespace

void check_listeners(const Firewall& f, const std::vector<Listener>& listeners, Findings& findings) {
    const auto before = findings.size();
    check_services(f, listeners, findings);
    std::set<std::string> seen;
    for (const Listener& listener : listeners) {
        if (listener.endpoint.protocol != IpProtocol::tcp || service_at(f.config, listener.endpoint) != nullptr ||
            !faces_world(f, listener))
            continue;
        const std::string program = listener.program.empty() ? "something" : printable(listener.program);
        if (!seen.insert(listener.endpoint.text() + program).second)
            continue;
        findings.push_back(
            {Severity::advice, "listeners",
             program + " listens on " + listener.endpoint.text() + ", which is no service's port: strangers reach it",
             "fine where it is meant for everybody; else make it a service, or let it listen on loopback"});
    }
    if (findings.size() == before)
        findings.push_back(
            {Severity::ok, "listeners", "every service's port is listened on, and no other faces the world", {}});
}

} // namespace xk::tools
