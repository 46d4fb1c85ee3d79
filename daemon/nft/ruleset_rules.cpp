// SPDX-License-Identifier: MIT
#include "daemon/nft/ruleset_rules.h"

#include "daemon/nft/ended.h"
#include "daemon/nft/rule.h"

#include <linux/netfilter.h>

#include <algorithm>
#include <limits>

namespace xk::nft {
namespace {

constexpr Family kFamilies[] = {Family::v4, Family::v6};
constexpr IpProtocol kProtocols[] = {IpProtocol::tcp, IpProtocol::udp};

// Priorities (linux/netfilter_ipv4.h): connection tracking is at -200, NF_IP_PRI_NAT_DST at -100.
constexpr std::int32_t kRaw = -300, kMangle = -150, kDestinationNat = -100;
// Behind whatever rewrites a packet at its last hook: IPVS (98 and 99 of input), "tcp dport set" in a chain of the
// administrator's. Only connection tracking confirms later: at the highest number for IPv4 and at the one below for
// IPv6 (net/netfilter/nf_conntrack_proto.c). Behind that each SYN would look like a handshake that began.
constexpr std::int32_t kLast = std::numeric_limits<std::int32_t>::max() - 2;

// A SYN that nobody answers is said again for 127 seconds (tcp_syn_retries of 6, the kernel's default).
constexpr std::chrono::milliseconds kSaidAgain = std::chrono::seconds(130);
// As long as connection tracking keeps an idle session (nf_conntrack_tcp_timeout_established).
constexpr std::chrono::milliseconds kIdleFlow = std::chrono::days(5);

Rule in(const char* chain) { return Rule(kTable, chain); }
bool is_v4(Family family) { return family == Family::v4; }

// Calls for each host that the guard's ports are of: none (this host), or its targets.
template <typename Do>
void each_target(const ProtectedPort& guard, Do act) {
    if (guard.is_local())
        return act(std::optional<Address>());
    for (const Address& target : {guard.target4, guard.target6})
        if (target != Address{})
            act(std::optional(target));
}

// A rule for the ports of each guard whose sessions end with their grant, of this protocol or of both.
template <typename Do>
void each_cut(const RulesetSpec& spec, const char* chain, std::optional<IpProtocol> protocol, Do finish) {
    for (const ProtectedPort& guard : spec.guards)
        if (guard.cut && guard.ports.protocol == protocol.value_or(guard.ports.protocol))
            each_target(guard, [&](const std::optional<Address>& target) {
                Rule rule = in(chain);
                if (target)
                    rule.target_is(*target);
                finish(rule.to_ports(guard.ports));
            });
}

template <typename Do>
void each_pinhole_set(const RulesetSpec& spec, bool forward, bool once, Do act) {
    for (const PinholeSet& set : pinhole_sets(spec.ranges(), spec.has_targets()))
        if (set.forward == forward && set.once == once)
            act(set, set.v4 ? Family::v4 : Family::v6,
                set.range ? Key::source
                : forward ? Key::source_target_port
                          : Key::source_port);
}

// Grants by the packet's own port.
void add_grants(Transaction& transaction, const RulesetSpec& spec, const char* chain, bool forward) {
    each_pinhole_set(spec, forward, false, [&](const PinholeSet& set, Family family, Key key) {
        Rule rule = in(chain);
        if (set.range)
            rule.to_ports(*set.range);
        rule.in_set(family, key, set.name.set).go_to(transaction, "granted", "granted");
    });
}

enum class Use { looks, takes };

// Grants of one connection. On the way in they are only looked at: where it is delivered, or goes on, the packet takes
// the element out, so that nothing on the way between can lose it.
void add_once(Transaction& transaction, const RulesetSpec& spec, const char* chain, bool forward, Use use) {
    each_pinhole_set(spec, forward, true, [&](const PinholeSet& set, Family family, Key key) {
        Rule rule = in(chain);
        rule.is_new().in_set(family, key, set.name.set);
        if (use == Use::takes)
            rule.take_out(family, key, set.name.set);
        rule.go_to(transaction, "granted", "granted once");
    });
}

// A connection may be translated on its way (redirect, DNAT). Who has a grant for what they addressed gets there.
void add_asked(Transaction& transaction, const RulesetSpec& spec) {
    for (const bool once : {false, true})
        each_pinhole_set(spec, false, once, [&](const PinholeSet& set, Family family, Key) {
            for (const IpProtocol protocol : kProtocols) {
                if (set.range && set.range->protocol != protocol)
                    continue;
                Rule rule = in("asked");
                if (once)
                    rule.is_new();
                if (set.range)
                    rule.asked_ports(*set.range).in_set(family, Key::source, set.name.set);
                else
                    rule.to_protocol(protocol).in_set(family, Key::source_asked, set.name.set);
                if (once)
                    rule.take_out(family, Key::source_asked, set.name.set);
                rule.go_to(transaction, "granted", once ? "granted once" : "granted");
            }
        });
}

// What connection tracking does not follow is remembered here, or the session would end with its grant.
void add_granted(Transaction& transaction) {
    for (const Family family : kFamilies)
        in("granted")
            .is(family)
            .remember(family, Key::source, begun_set(is_v4(family)).set, kSaidAgain)
            .go_on(transaction, "SYNs said again");
    for (const Family family : kFamilies)
        in("granted")
            .without_entry()
            .is(family)
            .remember(family, Key::both_ends, flows_set(is_v4(family)).set, kIdleFlow)
            .go_on(transaction, "notrack");
    in("granted").accept(transaction, "granted");
}

// Packets of no entry, and no SYN: of a flow that was granted, unless sessions are to end with their grant.
void add_flows(Transaction& transaction, const RulesetSpec& spec, const char* chain, const char* next) {
    each_cut(spec, chain, {}, [&](Rule& rule) { rule.without_entry().go_to(transaction, next, "after: cut"); });
    for (const Family family : kFamilies) {
        const std::string flows = flows_set(is_v4(family)).set;
        in(chain)
            .without_entry()
            .in_set(family, Key::both_ends, flows)
            .remember(family, Key::both_ends, flows, kIdleFlow)
            .accept(transaction, "notrack");
    }
    in(chain).go_to(transaction, next, "all else");
}

// A SYN belongs to no session, whatever old entry it meets (its socket may be gone), but to the handshake that it
// began.
void add_begin(Transaction& transaction, const char* chain, const char* next) {
    in(chain).entry_is_of(IpProtocol::tcp).begun().accept(transaction, "a handshake that began");
    in(chain).go_to(transaction, next, "all else");
}

void add_allow(Transaction& transaction, const RulesetSpec& spec) {
    in("allow").input_is_loopback().accept(transaction, "loopback");
    for (const Prefix& prefix : spec.allow)
        in("allow").source_in(prefix).accept(transaction, "gate.allow");
}

void add_prerouting(Transaction& transaction, const RulesetSpec& spec) {
    in("prerouting").input_is_loopback().accept(transaction, "loopback");
    for (const Family family : kFamilies)
        for (const SetName& set : {banned_set(is_v4(family)), banned_networks_set(is_v4(family))})
            in("prerouting").in_set(family, Key::source, set.set).counter().drop(transaction, "banned");
    // TCP that was ended stays so ("ended"); a UDP service may begin again from its own port at any time.
    each_cut(spec, "prerouting", IpProtocol::udp,
             [&](Rule& rule) { rule.answers_ours().go_to(transaction, "gate", "after: cut"); });
    in("prerouting").begins().go_to(transaction, "begin", "SYN");
    in("prerouting").established().accept(transaction, "sessions that exist");
    in("prerouting").jump_to(transaction, kEndedChain, "sessions that were ended");
    in("prerouting").go_to(transaction, "gate", "all else");
    add_begin(transaction, "begin", "decide");
    add_flows(transaction, spec, "gate", "decide");
}

void add_connection_limits(Transaction& transaction, const RulesetSpec& spec) {
    for (const ProtectedPort& guard : spec.guards) {
        if (guard.max_connections == 0)
            continue;
        for (const Family family : kFamilies)
            each_target(guard, [&](const std::optional<Address>& target) {
                if (target && target->is_v4() != is_v4(family))
                    return;
                const Key key = target ? Key::source_target_port : Key::source_port;
                const std::string grants = std::string(target ? "forward" : "grants") + (is_v4(family) ? "4" : "6");
                Rule rule = in("decide");
                if (target)
                    rule.target_is(*target);
                // Only of those who have a grant: others would fill the set.
                rule.to_ports(guard.ports)
                    .in_set(family, key, grants)
                    .more_connections_than(guard.max_connections, family, key,
                                           connections_set(is_v4(family), target.has_value()).set)
                    .counter()
                    .drop(transaction, "max_connections");
            });
    }
}

// For each way to name a protected port of this host.
template <typename Do>
void each_protected(const RulesetSpec& spec, const char* chain, Do finish) {
    finish(in(chain).in_set(Family::v4, Key::port, protected_set().set));
    for (const PortRange& range : spec.ranges())
        finish(in(chain).to_ports(range));
}

// A host behind this one has grants of its own: that for the same port of this host is none.
void to_targets(Transaction& transaction, const RulesetSpec& spec, const char* from, const char* to) {
    for (const Family family : kFamilies)
        if (spec.has_targets())
            in(from)
                .in_set(family, Key::target_port, protected_targets_set(is_v4(family)).set)
                .go_to(transaction, to, "hosts behind");
}

// The knock port is as silent to allowed networks as to all others. Of what comes there only answers pass, and those
// are sessions that exist.
void add_silence(Transaction& transaction, const RulesetSpec& spec) {
    if (!spec.silent_port)
        return;
    const PortRange port{IpProtocol::udp, *spec.silent_port, *spec.silent_port};
    // With bridge-nf-call-iptables this runs before the filter of the bridge itself sees the knock; what the filter
    // passes on from there dies where it is delivered.
    in("decide").to_ports(port).for_this_host().input_is_no_bridge().counter().drop(transaction, "knock port");
    in("delivered").input_is_loopback().accept(transaction, "loopback");
    in("delivered").to_ports(port).counter().drop(transaction, "knock port");
}

void add_decide(Transaction& transaction, const RulesetSpec& spec) {
    in("decide").jump_to(transaction, "allow", "gate.allow");
    add_connection_limits(transaction, spec);
    to_targets(transaction, spec, "decide", "targets");
    in("decide").jump_to(transaction, "grants", "grants");
    add_once(transaction, spec, "decide", false, Use::looks);
    each_protected(spec, "decide", [&](Rule& rule) { rule.go_to(transaction, "shut", "protected"); });
}

void add_targets(Transaction& transaction, const RulesetSpec& spec, const char* chain, Use use) {
    in(chain).jump_to(transaction, "forward_grants", "grants");
    add_once(transaction, spec, chain, true, use);
    in(chain).counter().drop(transaction, "protected");
}

// On the way in, only what is addressed to this host. In a VRF its addresses stand in another table.
void add_shut(Transaction& transaction, const RulesetSpec& spec) {
    for (const bool everywhere : {true, false}) {
        Rule rule = in("shut");
        if (everywhere)
            rule.for_this_host();
        else
            rule.for_this_interface();
        if (spec.closed)
            rule.go_to(transaction, "refuse", "protected");
        else
            rule.counter().drop(transaction, "protected");
    }
    if (!spec.closed)
        return;
    // The stack itself is to answer: "closed" below sends the packet to a port that nothing can listen on.
    in("refuse").to_protocol(IpProtocol::tcp).is_new().accept(transaction, "the stack says that it is closed");
    in("refuse").to_protocol(IpProtocol::tcp).counter().reset(transaction, "protected");
    in("refuse").counter().say_unreachable(transaction, "protected");
    in("closed").jump_to(transaction, "allow", "gate.allow");
    in("closed").jump_to(transaction, "grants", "grants");
    add_once(transaction, spec, "closed", false, Use::looks);
    each_protected(spec, "closed", [&](Rule& rule) {
        // Of ports that are UDP's this matches nothing.
        rule.to_protocol(IpProtocol::tcp).for_this_host().counter().redirect_to(transaction, 0, "protected");
    });
}

// Behind routing the entry may be that of another packet: segment routing (RFC 8986) unpacks there and leaves the entry
// of the packet around, which is IP's and no TCP's or UDP's. All other protocols have no ports to protect.
void add_second_look(Transaction& transaction, const char* chain, const char* begin, const char* gate) {
    in(chain).begins().go_to(transaction, begin, "SYN");
    for (const IpProtocol protocol : kProtocols)
        in(chain).entry_is_of(protocol).established().accept(transaction, "sessions that exist");
    for (const IpProtocol protocol : kProtocols)
        in(chain).to_protocol(protocol).go_to(transaction, gate, "all else");
}

// Everything here is for this host, whatever translated, unpacked or routed it: VRF, tunnels, other tables, broadcast.
void add_input(Transaction& transaction, const RulesetSpec& spec) {
    add_second_look(transaction, "input", "input_begin", "input_gate");
    add_begin(transaction, "input_begin", "delivered");
    add_flows(transaction, spec, "input_gate", "delivered");

    in("delivered").jump_to(transaction, "allow", "gate.allow");
    add_once(transaction, spec, "delivered", false, Use::takes);
    in("delivered").jump_to(transaction, "grants", "grants");
    in("delivered").translated().jump_to(transaction, "asked", "what was addressed");
    each_protected(spec, "delivered", [&](Rule& rule) {
        if (spec.closed)
            rule.go_to(transaction, "refuse_delivered", "protected");
        else
            rule.counter().drop(transaction, "protected");
    });
    if (spec.closed) {
        in("refuse_delivered").to_protocol(IpProtocol::tcp).counter().reset(transaction, "protected");
        in("refuse_delivered").counter().say_unreachable(transaction, "protected");
    }
}

void add_forward(Transaction& transaction, const RulesetSpec& spec) {
    add_second_look(transaction, "forward", "forward_begin", "forward_gate");
    add_begin(transaction, "forward_begin", "forwarded");
    add_flows(transaction, spec, "forward_gate", "forwarded");
    in("forwarded").jump_to(transaction, "allow", "gate.allow");
    in("forwarded").translated().jump_to(transaction, "asked", "what was addressed");
    to_targets(transaction, spec, "forwarded", "forwarded_targets");
}

// IPVS sends what comes for a virtual service to a host behind as if it were this host's own.
void add_sent_on(Transaction& transaction, const RulesetSpec& spec) {
    in(kOutputChain).is_no_session().from_elsewhere().go_to(transaction, "sent_on_gate", "IPVS");
    add_flows(transaction, spec, "sent_on_gate", "sent_on");
    in("sent_on").jump_to(transaction, "allow", "gate.allow");
    to_targets(transaction, spec, "sent_on", "forwarded_targets");
}

// A flood of SYNs dies before connection tracking makes an entry of each. Whatever is more than plain is decided later.
void add_early(Transaction& transaction, const RulesetSpec& spec) {
    in("early").begins().go_to(transaction, "early_begin", "SYN");
    in("early_begin").jump_to(transaction, "allow", "gate.allow");
    for (const Family family : kFamilies)
        in("early_begin").in_set(family, Key::source, begun_set(is_v4(family)).set).accept(transaction, "said again");
    const auto pass = [&](const char* chain, bool forward) {
        for (const bool once : {false, true})
            each_pinhole_set(spec, forward, once, [&](const PinholeSet& set, Family family, Key key) {
                Rule rule = in(chain);
                if (set.range)
                    rule.to_ports(*set.range);
                rule.in_set(family, key, set.name.set).accept(transaction, "granted");
            });
    };
    to_targets(transaction, spec, "early_begin", "early_targets");
    pass("early_begin", false);
    each_protected(spec, "early_begin",
                   [&](Rule& rule) { rule.for_this_host().counter().drop(transaction, "protected"); });
    if (spec.has_targets()) {
        pass("early_targets", true);
        in("early_targets").counter().drop(transaction, "protected");
    }
}

void add_published_ports(Transaction& transaction, const RulesetSpec& spec) {
    for (const ProtectedPort& guard : spec.guards)
        for (const Address& to : {guard.to4, guard.to6})
            if (to != Address{})
                in("published_ports")
                    .for_this_host()
                    .is(to.is_v4() ? Family::v4 : Family::v6)
                    .to_ports(guard.ports)
                    .translate_to(transaction, to, guard.to_port, "published");
}

} // namespace

std::vector<PortRange> RulesetSpec::ranges() const {
    std::vector<PortRange> found;
    for (const ProtectedPort& guard : guards)
        if (!guard.ports.is_single())
            found.push_back(guard.ports);
    return found;
}

bool RulesetSpec::has_targets() const {
    return std::ranges::any_of(guards, [](const ProtectedPort& g) { return !g.is_local(); });
}

bool RulesetSpec::has_limits() const {
    return std::ranges::any_of(guards, [](const ProtectedPort& g) { return g.max_connections != 0; });
}

bool RulesetSpec::has_published_ports() const {
    return std::ranges::any_of(guards, [](const ProtectedPort& g) { return g.to_port != 0; });
}

std::vector<ChainSpec> chains_of(const RulesetSpec& spec) {
    std::vector<ChainSpec> chains;
    for (const char* name : {"allow", "grants", "asked", "granted", "shut", "decide", "gate", "begin", "delivered",
                             "input_gate", "input_begin", "forwarded", "forward_gate", "forward_begin"})
        chains.push_back({name});
    for (const char* name : {kOverChain, kEndedChain})
        chains.push_back({name});
    if (spec.has_targets())
        for (const char* name : {"forward_grants", "targets", "forwarded_targets", "sent_on", "sent_on_gate"})
            chains.push_back({name});
    if (spec.closed)
        for (const char* name : {"refuse", "refuse_delivered"})
            chains.push_back({name});
    else
        chains.push_back({"early_begin"});
    if (!spec.closed && spec.has_targets())
        chains.push_back({"early_targets"});
    if (!spec.closed)
        chains.push_back({"early", "filter", NF_INET_PRE_ROUTING, kRaw});
    chains.push_back({"prerouting", "filter", NF_INET_PRE_ROUTING, kMangle});
    // Before everybody's translations: who is shut out is to meet none.
    if (spec.closed)
        chains.push_back({"closed", "nat", NF_INET_PRE_ROUTING, kDestinationNat - 1});
    if (spec.has_published_ports())
        chains.push_back({"published_ports", "nat", NF_INET_PRE_ROUTING, kDestinationNat});
    chains.push_back({"input", "filter", NF_INET_LOCAL_IN, kLast});
    chains.push_back({"forward", "filter", NF_INET_FORWARD, kLast});
    chains.push_back({kOutputChain, "filter", NF_INET_LOCAL_OUT, kMangle});
    return chains;
}

void add_rules(Transaction& transaction, const RulesetSpec& spec) {
    add_allow(transaction, spec);
    add_grants(transaction, spec, "grants", false);
    add_asked(transaction, spec);
    add_granted(transaction);
    if (spec.has_targets()) {
        add_grants(transaction, spec, "forward_grants", true);
        add_targets(transaction, spec, "targets", Use::looks);
        add_targets(transaction, spec, "forwarded_targets", Use::takes);
    }
    add_shut(transaction, spec);
    if (!spec.closed)
        add_early(transaction, spec);
    add_prerouting(transaction, spec);
    add_silence(transaction, spec);
    add_decide(transaction, spec);
    add_input(transaction, spec);
    add_forward(transaction, spec);
    add_ended_rules(transaction, spec.resets);
    if (spec.has_targets())
        add_sent_on(transaction, spec);
    if (spec.has_published_ports())
        add_published_ports(transaction, spec);
}

} // namespace xk::nft
