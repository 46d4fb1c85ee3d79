// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/protected_ports.h"

#include "daemon/nft/ruleset_rules.h"
#include "protocol/base/quote.h"

#include <algorithm>

namespace xk::tools {
namespace {

std::string set_key(const std::string& table, const std::string& set) { return "inet " + table + " " + set; }

std::string joined(const std::set<std::string>& words, const char* between) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : between) + word;
    return text;
}

} // namespace

bool is_ours(const Chain& chain) { return chain.family == "inet" && chain.table == nft::kTable; }

const authz::Service* service_at(const config::Config& config, const Endpoint& endpoint) {
    const auto has = [&](const authz::Service& service) {
        return service.published == endpoint ||
               (!service.is_behind() &&
                std::ranges::any_of(service.all_ports(), [&](const PortRange& ports) { return ports.has(endpoint); }));
    };
    const auto found = std::ranges::find_if(config.policy.services, has);
    return found == config.policy.services.end() ? nullptr : &*found;
}

std::set<Endpoint> local_endpoints(const config::Config& config) {
    std::set<Endpoint> endpoints;
    for (const authz::Service& service : config.policy.services) {
        if (service.published.port != 0)
            endpoints.insert(service.published);
        for (const PortRange& ports : service.all_ports())
            if (!service.is_behind()) {
                endpoints.insert(ports.begin());
                endpoints.insert({ports.protocol, ports.last});
            }
    }
    return endpoints;
}

std::string label(const config::Config& config, const Endpoint& endpoint) {
    const authz::Service* const service = service_at(config, endpoint);
    return endpoint.text() + (service != nullptr ? " (" + std::string(service->name.view()) + ")" : "");
}

Packet packet_of(const Firewall& f, const Endpoint& endpoint, bool v4, const std::string& interface, Source source) {
    Packet packet;
    packet.v4 = v4;
    packet.protocol = endpoint.protocol;
    packet.port = endpoint.port;
    packet.interface = interface;
    for (const Address& address : f.own_addresses)
        if (address.is_v4() == v4 && address.is_grantable()) // those that others reach
            packet.destinations.insert(address);
    const bool granted = source == Source::granted;
    if (f.config.gate_mode == config::GateMode::external) {
        packet.known_sets[set_key(f.config.external.table, f.config.external.set4)] = granted && v4;
        packet.known_sets[set_key(f.config.external.table, f.config.external.set6)] = granted && !v4;
    }
    // A set of ours that holds sources says nothing about this packet. Only sets of shut ports count here.
    for (const std::string& set : f.ruleset.sets_of("inet", nft::kTable))
        if (!set.starts_with("protected"))
            packet.known_sets[set_key(nft::kTable, set)] = false;
    for (const nft::PinholeSet& set : nft::pinhole_sets(f.config.ranges(), f.config.has_targets()))
        packet.known_sets[set_key(nft::kTable, set.name.set)] =
            granted && set.v4 == v4 && !set.forward && !set.single_use && (!set.range || set.range->has(endpoint));
    for (const bool set_v4 : {true, false}) {
        packet.known_sets[set_key(nft::kTable, nft::protected_targets_set(set_v4).set)] =
            false; // hosts behind this one
        packet.known_sets[set_key(nft::kTable, nft::banned_set(set_v4).set)] = false;
        packet.known_sets[set_key(nft::kTable, nft::banned_networks_set(set_v4).set)] = false;
    }
    if (!granted)
        packet.never_from = f.config.allow;
    return packet;
}

std::string ProtectedPort::label() const {
    return ports.text() + (is_local() ? "" : " of " + target.text()) + " (" + std::string(service->name.view()) + ")";
}

std::vector<ProtectedPort> protected_ports(const config::Config& config) {
    std::vector<ProtectedPort> all;
    for (const authz::Service& service : config.policy.services) {
        if (service.published.port != 0)
            all.push_back({PortRange::of(service.published), {}, &service});
        for (const PortRange& ports : service.all_ports()) {
            if (!service.is_behind())
                all.push_back({ports, {}, &service});
            for (const Address& target : {service.target4, service.target6})
                if (target != Address{})
                    all.push_back({ports, target, &service});
        }
    }
    return all;
}

std::string text_of(const std::vector<Place>& places) {
    constexpr std::size_t kShown = 3;
    std::string text;
    for (std::size_t i = 0; i < places.size() && i < kShown; ++i)
        text += (i == 0 ? "" : ", ") + in_quotes(places[i].rule, 160) + " in " + printable(places[i].chain);
    return places.size() > kShown ? text + " and " + std::to_string(places.size() - kShown) + " more" : text;
}

void MergedFindings::add(const std::string& message, const std::string& hint, Severity severity, const Packet& packet) {
    Where& where = merged_[{message, hint, severity}];
    where.families.insert(packet.v4 ? "IPv4" : "IPv6");
    where.interfaces.insert(packet.interface);
}

void MergedFindings::report(const std::string& check, Findings& findings) const {
    for (const auto& [what, where] : merged_)
        findings.push_back(
            {std::get<2>(what), check,
             std::get<0>(what) + " (" + joined(where.families, " and ") + ", " + joined(where.interfaces, ", ") + ")",
             std::get<1>(what)});
}

} // namespace xk::tools
