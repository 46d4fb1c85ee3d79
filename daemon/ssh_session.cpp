// SPDX-License-Identifier: MIT
#include "daemon/ssh_session.h"

#include "daemon/log.h"
#include "daemon/ssh_caller.h"
#include "daemon/xdp/own_addresses.h"

#include <algorithm>

namespace xk {
namespace {

constexpr std::size_t kLines = 16; // of sessions in the log

bool is_allowed(const config::Config& config, const std::set<Address>& own, const Address& address) {
    return address.is_loopback() || own.count(address) > 0 ||
           std::ranges::any_of(config.allow, [&](const Prefix& network) { return network.contains(address); });
}

bool is_protected(const config::Config& config, const Endpoint& endpoint) {
    return std::ranges::any_of(config.policy.services, [&](const gate::Service& service) {
        return !service.is_behind() && std::ranges::any_of(service.all_ports(), [&](const PortRange& ports) {
            return ports.has(endpoint);
        });
    });
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
    spdlog::warn("{}", who);
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
        spdlog::warn("session from {} to {} lives on, but {} has to knock next time", session.remote.text(),
                     endpoint.text(), session.remote.text());
    }
    if (said.size() > kLines)
        spdlog::warn("and sessions from {} more addresses", said.size() - kLines);
}

} // namespace xk
