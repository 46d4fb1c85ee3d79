// SPDX-License-Identifier: MIT
#include "daemon/grants/syn_drop.h"

#include "daemon/log.h"

#include <algorithm>

namespace xk {

bool may_drop_syns(const config::Config& config) {
    // Under "closed" the host's stack must answer, so the SYN has to reach it.
    return config.drop_syn && config.gate_mode == config::GateMode::table && !config.gate_closed;
}

SynDrop::SynDrop(xdp::SourceGuard& guard, Grants& grants) : guard_(guard), grants_(grants) {
    grants_.set_guard(guard_);
}

void SynDrop::switch_on(const config::Config& config, const std::set<Address>& own_addresses, BootTime now) {
    guard_.switch_off();
    if (!may_drop_syns(config))
        return;
    std::vector<PortRange> ports;
    for (const authz::Service& service : config.policy.services) {
        if (!service.is_behind())
            std::ranges::copy(service.all_ports(), std::back_inserter(ports));
        if (service.published.port != 0)
            ports.push_back(PortRange::of(service.published));
    }
    guard_.set_ports(ports);
    guard_.set_local(own_addresses);
    if (auto done = guard_.set_allowed(config.allow); !done)
        return log::error(std::move(done).error().within("SYNs without a grant are left to nftables"));
    guard_.switch_on(now);
}

void SynDrop::on_tick(BootTime now) {
    const auto& pinholes = grants_.book().all();
    for (const Address& address : std::exchange(ended_, {})) {
        BootTime end = now;
        for (auto i = pinholes.lower_bound({address, {}, {}}); i != pinholes.end() && i->first.address == address; ++i)
            end = std::max(end, i->second.front().until);
        guard_.limit(address, end);
    }
    guard_.expire(now);
}

} // namespace xk
