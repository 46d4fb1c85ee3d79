// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/ruleset_spec.h"

namespace xk {
namespace {

void add_guards(nft::RulesetSpec& spec, const authz::Service& service) {
    nft::ProtectedPort guard;
    guard.cut = service.after == authz::After::cut;
    guard.max_connections = service.max_connections;
    for (const PortRange& ports : service.all_ports()) {
        guard.ports = ports;
        guard.target4 = service.target4;
        guard.target6 = service.target6;
        spec.guards.push_back(guard);
    }
    if (service.published.port == 0)
        return;
    // Whoever comes by the published port has their grant there, and is translated behind the ruleset.
    guard.ports = PortRange::of(service.published);
    guard.target4 = guard.target6 = {};
    guard.to4 = service.target4;
    guard.to6 = service.target6;
    guard.to_port = service.ports[0].first;
    spec.guards.push_back(guard);
}

} // namespace

nft::RulesetSpec ruleset_of(const config::Config& config) {
    nft::RulesetSpec spec;
    for (const authz::Service& service : config.policy.services)
        add_guards(spec, service);
    spec.allow = config.allow;
    spec.closed = config.gate_closed;
    if (!config.answer_as_closed)
        spec.silent_port = config.port;
    spec.owned = config.gate_owned;
    return spec;
}

} // namespace xk
