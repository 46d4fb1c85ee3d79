// SPDX-License-Identifier: MIT
#include "daemon/nft/ended.h"
#include "daemon/nft/rules.h"

namespace xk::nft::rules {
namespace {

void add_early_grants(Transaction& transaction, const RulesetSpec& spec, const char* chain, bool forward) {
    for (const bool single_use : {false, true})
        for_each_pinhole_set(spec, forward, single_use, [&](const PinholeSet& set, Family family, Key key) {
            Rule rule = rule_in(chain);
            if (set.range)
                rule.to_ports(*set.range);
            rule.in_set(family, key, set.name.set).accept(transaction, "granted");
        });
}

// Ends a rule of add_limits(). Only sources with a grant are counted: others would fill the set.
void add_limit(Transaction& transaction, Rule& rule, const ProtectedPort& port, Family family, bool forward) {
    const bool v4 = is_v4(family);
    const Key key = forward ? Key::source_target_port : Key::source_port;
    rule.to_ports(port.ports)
        .in_set(family, key, plain_set(v4, forward).name.set)
        .more_connections_than(port.max_connections, family, key, connections_set(v4, forward).set)
        .counter()
        .drop(transaction, "max_connections");
}

// A limit of this host counts what is addressed to this host: a connection to the same port of a host behind has its
// own limit, or none.
void add_local_limit(Transaction& transaction, const ProtectedPort& port, Family family) {
    for (const bool in_main_table : {true, false}) {
        Rule rule = rule_in("decide");
        if (in_main_table)
            rule.for_this_host();
        else
            rule.for_this_vrf();
        add_limit(transaction, rule, port, family, false);
    }
}

void add_limits(Transaction& transaction, const RulesetSpec& spec) {
    for (const ProtectedPort& port : spec.protected_ports) {
        if (port.max_connections == 0)
            continue;
        for (const Family family : kFamilies)
            for_each_target(port, [&](const std::optional<Address>& target) {
                if (!target)
                    return add_local_limit(transaction, port, family);
                if (target->is_v4() != is_v4(family))
                    return;
                Rule rule = rule_in("decide");
                add_limit(transaction, rule.target_is(*target), port, family, true);
            });
    }
}

// With "stealth: closed" a shut port answers as a closed one does.
void add_refusal(Transaction& transaction, const RulesetSpec& spec) {
    // The stack itself answers a SYN: chain "closed" sends it to port 0, where nothing can listen.
    rule_in("refuse").protocol_is(IpProtocol::tcp).is_new().accept(transaction, "the stack says that it is closed");
    rule_in("refuse").protocol_is(IpProtocol::tcp).counter().reject_with_reset(transaction, "protected");
    rule_in("refuse").counter().reject_unreachable(transaction, "protected");
    rule_in("closed").jump_to(transaction, "allow", "gate.allow");
    rule_in("closed").jump_to(transaction, "grants", "grants");
    add_single_use(transaction, spec, "closed", false, Use::looks);
    for_each_protected(spec, "closed", [&](Rule& rule) {
        // This matches no UDP port.
        rule.protocol_is(IpProtocol::tcp).for_this_host().counter().redirect_to(transaction, 0, "protected");
    });
}

} // namespace

// A flood of SYNs is dropped before connection tracking makes an entry for each. Only the plain cases are decided here.
void add_early(Transaction& transaction, const RulesetSpec& spec) {
    rule_in("early").is_syn().go_to(transaction, "early_begin", "SYN");
    rule_in("early_begin").jump_to(transaction, "allow", "gate.allow");
    for (const Family family : kFamilies)
        rule_in("early_begin")
            .in_set(family, Key::source, begun_set(is_v4(family)).set)
            .accept(transaction, "retransmitted");
    add_way_to_targets(transaction, spec, "early_begin", "early_targets");
    add_early_grants(transaction, spec, "early_begin", false);
    for_each_protected(spec, "early_begin",
                       [&](Rule& rule) { rule.for_this_host().counter().drop(transaction, "protected"); });
    if (spec.has_targets()) {
        add_early_grants(transaction, spec, "early_targets", true);
        rule_in("early_targets").counter().drop(transaction, "protected");
    }
}

void add_prerouting(Transaction& transaction, const RulesetSpec& spec) {
    rule_in("prerouting").input_is_loopback().accept(transaction, "loopback");
    for (const Family family : kFamilies)
        for (const SetName& set : {banned_set(is_v4(family)), banned_networks_set(is_v4(family))})
            rule_in("prerouting").in_set(family, Key::source, set.set).counter().drop(transaction, "banned");
    // A TCP session that was ended stays ended (chain "ended"). A UDP service can begin again from its own port at any
    // time, so an answer to it does not count as a session that exists.
    for_each_cut(spec, "prerouting", IpProtocol::udp,
                 [&](Rule& rule) { rule.in_reply_direction().go_to(transaction, "gate", "after: cut"); });
    rule_in("prerouting").is_syn().go_to(transaction, "begin", "SYN");
    rule_in("prerouting").established().accept(transaction, "sessions that exist");
    rule_in("prerouting").jump_to(transaction, kEndedChain, "sessions that were ended");
    rule_in("prerouting").go_to(transaction, "gate", "all else");
    add_begin(transaction, "begin", "decide");
    add_flows(transaction, spec, "gate", "decide");
}

// The knock ports are silent to allowed networks too. Only answers pass there, by the rule for sessions that exist.
void add_silence(Transaction& transaction, const RulesetSpec& spec) {
    if (spec.silent_ports.empty())
        return;
    // With bridge-nf-call-iptables this runs before the filter of the bridge has seen the knock. Packets that the
    // filter passes on from there are dropped where they are delivered.
    const auto range = [](std::uint16_t port) { return PortRange{IpProtocol::udp, port, port}; };
    for (const std::uint16_t port : spec.silent_ports)
        rule_in("decide")
            .to_ports(range(port))
            .for_this_host()
            .input_is_no_bridge()
            .counter()
            .drop(transaction, "knock port");
    rule_in("delivered").input_is_loopback().accept(transaction, "loopback");
    for (const std::uint16_t port : spec.silent_ports)
        rule_in("delivered").to_ports(range(port)).counter().drop(transaction, "knock port");
}

void add_decide(Transaction& transaction, const RulesetSpec& spec) {
    rule_in("decide").jump_to(transaction, "allow", "gate.allow");
    add_limits(transaction, spec);
    add_way_to_targets(transaction, spec, "decide", "targets");
    rule_in("decide").jump_to(transaction, "grants", "grants");
    add_single_use(transaction, spec, "decide", false, Use::looks);
    for_each_protected(spec, "decide", [&](Rule& rule) { rule.go_to(transaction, "shut", "protected"); });
}

// Where packets arrive, only those to this host's own addresses are dropped. The addresses of a VRF are in a table of
// its own.
void add_shut(Transaction& transaction, const RulesetSpec& spec) {
    for (const bool in_main_table : {true, false}) {
        Rule rule = rule_in("shut");
        if (in_main_table)
            rule.for_this_host();
        else
            rule.for_this_interface();
        if (spec.closed)
            rule.go_to(transaction, "refuse", "protected");
        else
            rule.counter().drop(transaction, "protected");
    }
    if (spec.closed)
        add_refusal(transaction, spec);
}

void add_published_ports(Transaction& transaction, const RulesetSpec& spec) {
    for (const ProtectedPort& port : spec.protected_ports)
        for (const Address& to : {port.to4, port.to6})
            if (to != Address{})
                rule_in("published_ports")
                    .for_this_host()
                    .family_is(to.is_v4() ? Family::v4 : Family::v6)
                    .to_ports(port.ports)
                    .translate_to(transaction, to, port.to_port, "published");
}

} // namespace xk::nft::rules
