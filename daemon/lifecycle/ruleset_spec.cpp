// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/ruleset_spec.h"

namespace xk {
namespace {

void add_ports(nft::RulesetSpec& spec, const authz::Service& service) {
    nft::ProtectedPort port;
    port.cut = service.after == authz::After::cut;
    port.max_connections = service.max_connections;
    for (const PortRange& ports : service.all_ports()) {
        port.ports = ports;
        port.target4 = service.target4;
        port.target6 = service.target6;
        spec.protected_ports.push_back(port);
    }
    if (service.published.port == 0)
        return;
    // The grant is for the published port. The address is translated behind our ruleset.
    port.ports = PortRange::of(service.published);
    port.target4 = port.target6 = {};
    port.to4 = service.target4;
    port.to6 = service.target6;
    port.to_port = service.ports[0].first;
    spec.protected_ports.push_back(port);
}

} // namespace

nft::RulesetSpec ruleset_of(const config::Config& config) {
    nft::RulesetSpec spec;
    for (const authz::Service& service : config.policy.services)
        add_ports(spec, service);
    spec.allow = config.allow;
    spec.closed = config.gate_closed;
    if (!config.answer_as_closed)
        spec.silent_ports = config.knock_ports();
    spec.owned = config.gate_owned;
    return spec;
}

} // namespace xk
