// SPDX-License-Identifier: MIT
//
// The parts that the rules of ruleset_rules.h are made of. Private to rules_*.cpp and ruleset_rules.cpp.
#pragma once

#include "daemon/nft/rule.h"
#include "daemon/nft/ruleset_rules.h"

#include <optional>

namespace xk::nft::rules {

inline constexpr Family kFamilies[] = {Family::v4, Family::v6};
inline constexpr IpProtocol kProtocols[] = {IpProtocol::tcp, IpProtocol::udp};

inline bool is_v4(Family family) { return family == Family::v4; }
inline Rule rule_in(const char* chain) { return Rule(kTable, chain); }

// Calls `act` once without an address for ports of this host, else once for each target.
template <typename Do>
void for_each_target(const ProtectedPort& port, Do act) {
    if (port.is_local())
        return act(std::optional<Address>());
    for (const Address& target : {port.target4, port.target6})
        if (target != Address{})
            act(std::optional(target));
}

// A rule for each port whose sessions end with their grant; of one protocol, or of both.
template <typename Do>
void for_each_cut(const RulesetSpec& spec, const char* chain, std::optional<IpProtocol> protocol, Do finish) {
    for (const ProtectedPort& port : spec.protected_ports)
        if (port.cut && port.ports.protocol == protocol.value_or(port.ports.protocol))
            for_each_target(port, [&](const std::optional<Address>& target) {
                Rule rule = rule_in(chain);
                if (target)
                    rule.target_is(*target);
                finish(rule.to_ports(port.ports));
            });
}

// A rule for each way to name a protected port of this host.
template <typename Do>
void for_each_protected(const RulesetSpec& spec, const char* chain, Do finish) {
    finish(rule_in(chain).in_set(Family::v4, Key::port, protected_set().set));
    for (const PortRange& range : spec.ranges())
        finish(rule_in(chain).to_ports(range));
}

template <typename Do>
void for_each_pinhole_set(const RulesetSpec& spec, bool forward, bool single_use, Do act) {
    for (const PinholeSet& set : pinhole_sets(spec.ranges(), spec.has_targets()))
        if (set.forward == forward && set.single_use == single_use)
            act(set, set.v4 ? Family::v4 : Family::v6,
                set.range ? Key::source
                : forward ? Key::source_target_port
                          : Key::source_port);
}

// rules_grants.cpp
void add_allow(Transaction& transaction, const RulesetSpec& spec);
// Grants by the packet's own port.
void add_grants(Transaction& transaction, const RulesetSpec& spec, const char* chain, bool forward);
// Single-use grants. Where a packet arrives, the rule only looks the element up (`looks`). Where it is delivered or
// goes on, the rule deletes the element (`takes`). So a packet that is lost in between does not use up the grant.
enum class Use { looks, takes };
void add_single_use(Transaction& transaction, const RulesetSpec& spec, const char* chain, bool forward, Use use);
// Grants by the port that was addressed: chain "asked".
void add_original_port_grants(Transaction& transaction, const RulesetSpec& spec);
// Chain "granted".
void add_granted(Transaction& transaction);
// Chains for SYNs and for other packets without a session; both lead to `next`.
void add_begin(Transaction& transaction, const char* chain, const char* next);
void add_flows(Transaction& transaction, const RulesetSpec& spec, const char* chain, const char* next);
// Packets to hosts behind this one go from one chain to another.
void add_way_to_targets(Transaction& transaction, const RulesetSpec& spec, const char* from, const char* to);
void add_targets(Transaction& transaction, const RulesetSpec& spec, const char* chain, Use use);

// rules_arrival.cpp: where a packet arrives.
void add_early(Transaction& transaction, const RulesetSpec& spec);
void add_prerouting(Transaction& transaction, const RulesetSpec& spec);
void add_silence(Transaction& transaction, const RulesetSpec& spec);
void add_decide(Transaction& transaction, const RulesetSpec& spec);
void add_shut(Transaction& transaction, const RulesetSpec& spec);
void add_published_ports(Transaction& transaction, const RulesetSpec& spec);

// rules_delivery.cpp: where a packet is delivered, or goes on.
void add_input(Transaction& transaction, const RulesetSpec& spec);
void add_forward(Transaction& transaction, const RulesetSpec& spec);
void add_sent_on(Transaction& transaction, const RulesetSpec& spec);

} // namespace xk::nft::rules
