// SPDX-License-Identifier: MIT
#include "daemon/nft/fence_rules.h"

#include "daemon/nft/ended.h"
#include "daemon/nft/rule.h"

#include <algorithm>

namespace xk::nft {
namespace {

constexpr Family kFamilies[] = {Family::v4, Family::v6};

Rule first() { return Rule(kTable, kFirstChain); }
Rule gate() { return Rule(kTable, kGateChain); }

// Calls for each host that the guard's ports are of: none (this host), or its targets.
template <typename Do>
void each_target(const Guard& guard, Do act) {
    if (guard.is_local())
        return act(std::optional<Address>());
    for (const Address& target : {guard.target4, guard.target6})
        if (target != Address{})
            act(std::optional(target));
}

void add_first(Transaction& transaction, const FenceSpec& spec) {
    first().input_is_loopback().accept(transaction, "loopback");
    for (const Family family : kFamilies) {
        const bool v4 = family == Family::v4;
        for (const SetName& set : {banned_set(v4), banned_networks_set(v4)})
            first().in_set(family, Key::source, set.set).counter().drop(transaction, "banned");
    }
    for (const Guard& guard : spec.guards) {
        if (!guard.cut || guard.ports.protocol == IpProtocol::tcp)
            continue;
        each_target(guard, [&](const std::optional<Address>& target) {
            Rule rule = first();
            if (target)
                rule.target_is(*target);
            rule.to_ports(guard.ports).answers_ours().go_to(transaction, kGateChain, "after: cut");
        });
    }
    first().established_or_related().accept(transaction, "sessions that exist");
    // A connection whose first packet was let in says it again until it is answered.
    first().begun().accept(transaction, "connections that began");
    first().jump_to(transaction, kEndedChain, "sessions that were ended");
    first().go_to(transaction, kGateChain, "all else");
}

void add_connection_limits(Transaction& transaction, const FenceSpec& spec) {
    for (const Guard& guard : spec.guards) {
        if (guard.max_connections == 0)
            continue;
        for (const Family family : kFamilies)
            each_target(guard, [&](const std::optional<Address>& target) {
                const bool v4 = family == Family::v4;
                if (target && target->is_v4() != v4)
                    return;
                const Key key = target ? Key::source_target_port : Key::source_port;
                const std::string grants = std::string(target ? "forward" : "grants") + (v4 ? "4" : "6");
                Rule rule = gate();
                if (target)
                    rule.target_is(*target);
                // Only of those who have a grant: others would fill the set.
                rule.to_ports(guard.ports)
                    .in_set(family, key, grants)
                    .more_connections_than(guard.max_connections, family, key,
                                           connections_set(v4, target.has_value()).set)
                    .counter()
                    .drop(transaction, "max_connections");
            });
    }
}

void add_grants(Transaction& transaction, const FenceSpec& spec) {
    const auto ranges = spec.ranges();
    for (const DoorSet& set : door_sets(ranges, spec.has_targets())) {
        const Family family = set.v4 ? Family::v4 : Family::v6;
        const Key key = set.range     ? Key::source
                        : set.forward ? Key::source_target_port
                                      : Key::source_port;
        Rule rule = gate();
        if (set.range)
            rule.to_ports(*set.range);
        if (set.once)
            rule.is_new();
        rule.in_set(family, key, set.name.set);
        if (set.once)
            rule.take_out(family, key, set.name.set);
        rule.accept(transaction, set.once ? "granted once" : "granted");
    }
}

void add_drops(Transaction& transaction, const FenceSpec& spec) {
    gate().for_this_host().in_set(Family::v4, Key::port, protected_set().set).counter().drop(transaction, "protected");
    for (const PortRange& range : spec.ranges())
        gate().to_ports(range).for_this_host().counter().drop(transaction, "protected");
    for (const Family family : kFamilies)
        if (spec.has_targets())
            gate()
                .in_set(family, Key::target_port, protected_targets_set(family == Family::v4).set)
                .counter()
                .drop(transaction, "protected");
    if (spec.silent_port)
        gate()
            .to_ports({IpProtocol::udp, *spec.silent_port, *spec.silent_port})
            .for_this_host()
            .counter()
            .drop(transaction, "knock port");
}

void add_entrances(Transaction& transaction, const FenceSpec& spec) {
    for (const Guard& guard : spec.guards)
        for (const Address& to : {guard.to4, guard.to6})
            if (to != Address{})
                Rule(kTable, kEntranceChain)
                    .for_this_host()
                    .is(to.is_v4() ? Family::v4 : Family::v6)
                    .to_ports(guard.ports)
                    .translate_to(transaction, to, guard.to_port, "entrance");
}

} // namespace

std::vector<PortRange> FenceSpec::ranges() const {
    std::vector<PortRange> found;
    for (const Guard& guard : guards)
        if (!guard.ports.is_single())
            found.push_back(guard.ports);
    return found;
}

bool FenceSpec::has_targets() const {
    return std::ranges::any_of(guards, [](const Guard& g) { return !g.is_local(); });
}

bool FenceSpec::has_limits() const {
    return std::ranges::any_of(guards, [](const Guard& g) { return g.max_connections != 0; });
}

bool FenceSpec::has_entrances() const {
    return std::ranges::any_of(guards, [](const Guard& g) { return g.to_port != 0; });
}

void add_rules(Transaction& transaction, const FenceSpec& spec) {
    add_ended_rules(transaction, spec.resets);
    add_first(transaction, spec);
    for (const Prefix& prefix : spec.allow)
        gate().source_in(prefix).accept(transaction, "gate.allow");
    add_connection_limits(transaction, spec);
    add_grants(transaction, spec);
    add_drops(transaction, spec);
    if (spec.has_entrances())
        add_entrances(transaction, spec);
}

} // namespace xk::nft
