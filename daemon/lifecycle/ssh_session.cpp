// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/ssh_session.h"

#include "daemon/lifecycle/ssh_caller.h"
#include "daemon/log.h"
#include "daemon/xdp/links.h"
#include "daemon/xdp/own_addresses.h"
#include "protocol/base/fd.h"
#include "protocol/base/quote.h"

#include <ifaddrs.h>
#include <sys/socket.h>

#include <algorithm>

namespace xk {
namespace {

constexpr std::size_t kLines = 16; // at most so many lines in the log

bool is_allowed(const config::Config& config, const std::set<Address>& own, const Address& address) {
    return address.is_loopback() || own.count(address) > 0 ||
           std::ranges::any_of(config.allow, [&](const Prefix& network) { return network.contains(address); });
}

bool is_protected(const config::Config& config, const Endpoint& endpoint) {
    return std::ranges::any_of(config.policy.services, [&](const authz::Service& service) {
        return !service.is_behind() &&
               std::ranges::any_of(service.all_ports(), [&](const PortRange& ports) { return ports.has(endpoint); });
    });
}

// Returns the interface by which this host reaches the peer, or an empty text.
std::string interface_towards(const Address& peer) {
    sockaddr_storage address{};
    socklen_t size = peer.to_sockaddr(address, 9); // connect(2) of UDP sends nothing, so any port will do
    const Fd fd(::socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &(size = sizeof address)) != 0)
        return {};
    const Address local = Address::of(reinterpret_cast<const sockaddr&>(address));
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0)
        return {};
    std::string found;
    for (const ifaddrs* i = all; i != nullptr; i = i->ifa_next)
        if (i->ifa_addr != nullptr && (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6) &&
            Address::of(*i->ifa_addr) == local)
            found = i->ifa_name;
    ::freeifaddrs(all);
    return found;
}

// Whether the filter sees a knock that comes by this interface: the configuration names it, or an interface below it
// (bridge, bond, VLAN).
bool is_heard(const config::Config& config, const std::string& interface, int depth = 4) {
    const int ifindex = xdp::index_of_interface(interface);
    if (std::ranges::any_of(config.interfaces,
                            [&](const std::string& name) { return xdp::index_of_interface(name) == ifindex; }))
        return true;
    const auto below = depth > 0 ? xdp::interfaces_below(interface) : std::vector<std::string>();
    return std::ranges::any_of(below, [&](const std::string& name) { return is_heard(config, name, depth - 1); });
}

} // namespace

Result<void> check_session(const config::Config& config, bool only_warn) {
    const auto client = ssh_caller().client;
    if (!client || config.gate_mode == config::GateMode::external)
        return {};
    const auto own = xdp::OwnAddresses::open();
    if (!own)
        return own.error();
    if (is_allowed(config, own->all(), *client))
        return {};
    const std::string who = "your ssh session comes from " + client->text() + ", which has to knock next time";
    if (!only_warn)
        return Error{who, "allow it in gate.allow, or start on trial with \"knockctl try 5m\", or be sure: --force"};
    log::warn("{}", who);
    return {};
}

Result<void> check_way_in(const config::Config& config, bool only_warn) {
    const auto client = ssh_caller().client;
    const auto missing = std::ranges::find_if(
        config.interfaces, [](const std::string& name) { return xdp::index_of_interface(name) == 0; });
    if (!client || missing == config.interfaces.end() || config.gate_mode == config::GateMode::external)
        return {};
    const auto own = xdp::OwnAddresses::open();
    if (!own)
        return own.error();
    const std::string interface = interface_towards(*client);
    if (is_allowed(config, own->all(), *client) || interface.empty() || is_heard(config, interface))
        return {};
    const std::string what = "your ssh session comes in by " + interface +
                             ", where no knock will be heard: " + "\"interfaces\" does not name it, and " +
                             in_quotes(*missing) + ", which it names, is not there";
    if (!only_warn)
        return Error{what, "name " + interface + " there, or allow your network in gate.allow"};
    log::warn("{}", what);
    return {};
}

void log_sessions(const config::Config& config, const std::set<Address>& own_addresses) {
    if (config.gate_mode == config::GateMode::external)
        return;
    std::set<Address> said;
    for (const TcpSession& session : tcp_sessions()) {
        const Endpoint endpoint{IpProtocol::tcp, session.local_port};
        if (!is_protected(config, endpoint) || is_allowed(config, own_addresses, session.remote) ||
            !said.insert(session.remote).second || said.size() > kLines)
            continue;
        log::warn("session from {} to {} lives on, but {} has to knock next time", session.remote.text(),
                  endpoint.text(), session.remote.text());
    }
    if (said.size() > kLines)
        log::warn("and sessions from {} more addresses", said.size() - kLines);
}

} // namespace xk
