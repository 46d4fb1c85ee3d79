// SPDX-License-Identifier: MIT
#include "daemon/nft/ruleset_rules.h"

#include "daemon/nft/ended.h"
#include "daemon/nft/rules.h"

#include <linux/netfilter.h>

#include <algorithm>
#include <limits>

namespace xk::nft {
namespace {

// Priorities (linux/netfilter_ipv4.h): connection tracking is at -200, NF_IP_PRI_NAT_DST at -100.
constexpr std::int32_t kRaw = -300, kMangle = -150, kDestinationNat = -100;
// Behind everything that rewrites a packet at its last hook: IPVS (98 and 99 of input), "tcp dport set" in a chain of
// the administrator's. Only connection tracking confirms entries later, at the highest number for IPv4 and at the one
// below for IPv6 (net/netfilter/nf_conntrack_proto.c); after that each SYN would look like a handshake that began.
constexpr std::int32_t kLast = std::numeric_limits<std::int32_t>::max() - 2;

void add_plain_chains(std::vector<ChainSpec>& chains, const RulesetSpec& spec) {
    const auto add = [&](std::initializer_list<const char*> names) {
        for (const char* name : names)
            chains.push_back({.name = name});
    };
    add({"allow", "grants", "asked", "granted", "shut", "decide", "gate", "begin", "delivered", "input_gate",
         "input_begin", "forwarded", "forward_gate", "forward_begin", kOverChain, kEndedChain});
    if (spec.has_targets())
        add({"forward_grants", "targets", "forwarded_targets", "sent_on", "sent_on_gate"});
    if (spec.closed)
        add({"refuse", "refuse_delivered"});
    else
        add({"early_begin"});
    if (!spec.closed && spec.has_targets())
        add({"early_targets"});
}

void add_hooked_chains(std::vector<ChainSpec>& chains, const RulesetSpec& spec) {
    const auto add = [&](const char* name, const char* type, std::uint32_t hook, std::int32_t priority) {
        chains.push_back({.name = name, .type = type, .hook = hook, .priority = priority});
    };
    if (!spec.closed)
        add("early", "filter", NF_INET_PRE_ROUTING, kRaw);
    add("prerouting", "filter", NF_INET_PRE_ROUTING, kMangle);
    // Before all other translations, so that a refused packet meets none of them.
    if (spec.closed)
        add("closed", "nat", NF_INET_PRE_ROUTING, kDestinationNat - 1);
    if (spec.has_published_ports())
        add("published_ports", "nat", NF_INET_PRE_ROUTING, kDestinationNat);
    add("input", "filter", NF_INET_LOCAL_IN, kLast);
    add("forward", "filter", NF_INET_FORWARD, kLast);
    add(kOutputChain, "filter", NF_INET_LOCAL_OUT, kMangle);
}

} // namespace

std::vector<PortRange> RulesetSpec::ranges() const {
    std::vector<PortRange> found;
    for (const ProtectedPort& port : protected_ports)
        if (!port.ports.is_single())
            found.push_back(port.ports);
    return found;
}

bool RulesetSpec::has_targets() const {
    return std::ranges::any_of(protected_ports, [](const ProtectedPort& p) { return !p.is_local(); });
}

bool RulesetSpec::has_limits() const {
    return std::ranges::any_of(protected_ports, [](const ProtectedPort& p) { return p.max_connections != 0; });
}

bool RulesetSpec::has_published_ports() const {
    return std::ranges::any_of(protected_ports, [](const ProtectedPort& p) { return p.to_port != 0; });
}

std::vector<ChainSpec> chains_of(const RulesetSpec& spec) {
    std::vector<ChainSpec> chains;
    add_plain_chains(chains, spec);
    add_hooked_chains(chains, spec);
    return chains;
}

void add_rules(Transaction& transaction, const RulesetSpec& spec) {
    using namespace rules;
    add_allow(transaction, spec);
    add_grants(transaction, spec, "grants", false);
    add_original_port_grants(transaction, spec);
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
    add_published_ports(transaction, spec);
}

} // namespace xk::nft
