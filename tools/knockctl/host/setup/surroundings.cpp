// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/setup/surroundings.h"

#include "protocol/base/quote.h"
#include "tools/knockctl/host/setup/words.h"

#include <algorithm>
#include <map>
#include <sstream>

namespace xk::tools::setup {
namespace {

constexpr unsigned kRouteUp = 1, kRouteReject = 0x200; // RTF_UP, RTF_REJECT

bool is_sshd(const std::string& program) { return program == "sshd" || program == "ssh"; }

const Interface* interface_with(const Surroundings& around, const Address& address) {
    for (const Interface& interface : around.interfaces)
        if (std::ranges::count(interface.addresses, address) > 0)
            return &interface;
    return nullptr;
}

// Containers and guests come in by bridges without a port of hardware, and knocks do not.
bool may_hear(const Interface& interface) {
    return interface.up && !interface.addresses.empty() && interface.kind != Interface::other &&
           (interface.kind != Interface::bridge || interface.default_route || !interface.below.empty());
}

void add_heard(const Interface& interface, std::vector<std::string>& names) {
    const std::vector<std::string> self = {interface.name};
    for (const std::string& name : interface.below.empty() ? self : interface.below)
        if (std::ranges::count(names, name) == 0)
            names.push_back(name);
}

std::string line_of(const Interface& interface) {
    std::vector<std::string> addresses;
    for (const Address& address : interface.addresses)
        addresses.push_back(address.text());
    return "  interface " + printable(interface.name) + ": " +
           (addresses.empty() ? "no address" : join(addresses, " ")) +
           (interface.default_route ? ", default route" : "") + (interface.up ? "" : ", down") + "\n";
}

std::string text_of_listeners(const Surroundings& around) {
    std::map<Endpoint, std::set<std::string>> programs;
    for (const Listener& listener : around.listeners)
        if (listener.endpoint.protocol == IpProtocol::tcp)
            programs[listener.endpoint].insert(listener.program.empty() ? "something" : printable(listener.program));
    std::vector<std::string> all;
    for (const auto& [endpoint, names] : programs)
        all.push_back(endpoint.text() + " (" + join({names.begin(), names.end()}, ", ") + ")");
    return "  listening to the world: " + (all.empty() ? "nothing" : join(all, ", ")) + "\n";
}

std::string text_of_sessions(const Surroundings& around) {
    const auto ports = ssh_ports(around);
    std::set<std::string> peers;
    for (const TcpSession& session : around.sessions)
        if (std::ranges::any_of(ports,
                                [&](const PortRange& range) {
                                    return range.has({IpProtocol::tcp, session.local_port});
                                }) &&
            !session.remote.is_loopback())
            peers.insert(session.remote.text());
    std::string text = "  ssh sessions: " + (peers.empty() ? "none" : join({peers.begin(), peers.end()}, ", "));
    return text + (around.caller ? "; yours is from " + around.caller->text() : "") + "\n";
}

} // namespace

std::set<std::string> default_routes4(const std::string& text) {
    std::set<std::string> names;
    std::istringstream lines(text);
    std::string line;
    std::getline(lines, line); // the heading
    while (std::getline(lines, line)) {
        std::istringstream fields(line);
        std::string name, destination, gateway, mask;
        unsigned flags = 0, skip = 0;
        if (fields >> name >> destination >> gateway >> std::hex >> flags >> std::dec >> skip >> skip >> skip >> mask &&
            destination == "00000000" && mask == "00000000" && (flags & kRouteUp) != 0 && (flags & kRouteReject) == 0)
            names.insert(name);
    }
    return names;
}

std::set<std::string> default_routes6(const std::string& text) {
    std::set<std::string> names;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string destination, length, source, source_length, hop, metric, used, uses, name;
        unsigned flags = 0;
        if (fields >> destination >> length >> source >> source_length >> hop >> metric >> used >> uses >> std::hex >>
                flags >> name &&
            length == "00" && destination.find_first_not_of('0') == std::string::npos && (flags & kRouteUp) != 0 &&
            (flags & kRouteReject) == 0 && name != "lo")
            names.insert(name);
    }
    return names;
}

std::vector<PortRange> ssh_ports(const Surroundings& around) {
    std::set<PortRange> ports;
    for (const Listener& listener : around.listeners)
        if (listener.endpoint.protocol == IpProtocol::tcp && is_sshd(listener.program))
            ports.insert(PortRange::of(listener.endpoint));
    // Where systemd holds the socket (ssh.socket), the session says which port it is.
    if (around.own)
        ports.insert(PortRange::of({IpProtocol::tcp, around.own->local_port}));
    const Endpoint usual{IpProtocol::tcp, 22};
    if (ports.empty() && std::ranges::any_of(around.listeners, [&](const Listener& l) { return l.endpoint == usual; }))
        ports.insert(PortRange::of(usual));
    return {ports.begin(), ports.end()};
}

std::vector<std::string> interfaces_for_knocks(const Surroundings& around) {
    std::vector<std::string> names;
    const auto add = [&](auto fits) {
        for (const Interface& interface : around.interfaces)
            if (may_hear(interface) && fits(interface))
                add_heard(interface, names);
    };
    add([](const Interface& interface) { return interface.default_route; });
    if (around.own)
        add([&](const Interface& interface) { return &interface == interface_with(around, around.own->local); });
    // Without a default route clients are near, on any of the networks.
    if (std::ranges::none_of(around.interfaces, &Interface::default_route))
        add([](const Interface&) { return true; });
    return names;
}

std::vector<std::string> probable_hosts(const Surroundings& around) {
    std::vector<std::string> hosts;
    if (!around.host_name.empty())
        hosts.push_back(around.host_name);
    if (around.own && around.own->local.is_grantable()) {
        hosts.push_back(around.own->local.text());
        return hosts;
    }
    const auto add = [&](bool default_route, bool global) {
        for (const Interface& interface : around.interfaces)
            for (const Address& address : interface.addresses)
                if (may_hear(interface) && (interface.default_route || !default_route) &&
                    (address.is_global() || !global) && address.is_grantable() && hosts.size() < 2)
                    hosts.push_back(address.text());
    };
    const std::size_t named = hosts.size();
    for (const auto& [default_route, global] : {std::pair(true, true), {true, false}, {false, true}, {false, false}})
        if (hosts.size() == named)
            add(default_route, global);
    if (hosts.size() > named + 1)
        hosts.resize(named + 1);
    return hosts;
}

std::string text_of(const Surroundings& around) {
    std::string text = "This host:\n";
    for (const Interface& interface : around.interfaces)
        text += line_of(interface);
    text += text_of_listeners(around) + text_of_sessions(around);
    text += "  firewalls beside us: " +
            (!around.nothing_of_rules.empty() ? "not known: " + around.nothing_of_rules
             : around.firewalls.empty()       ? "none"
                                              : join(around.firewalls, ", ")) +
            "\n";
    if (!around.clock_synchronised)
        return text + "  clock: whether it is synchronised is not known here";
    text += *around.clock_synchronised ? "  clock: synchronised"
                                       : "  clock: not synchronised: knocks are refused when it is off by more than "
                                         "30s; \"timedatectl set-ntp true\"";
    return text;
}

} // namespace xk::tools::setup
