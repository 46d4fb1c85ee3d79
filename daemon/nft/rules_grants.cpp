// SPDX-License-Identifier: MIT
#include "daemon/nft/ended.h"
#include "daemon/nft/rules.h"

namespace xk::nft::rules {
namespace {

// A SYN without an answer is retransmitted for 127 seconds (tcp_syn_retries of 6, the kernel's default).
constexpr std::chrono::milliseconds kRetransmitted = std::chrono::seconds(130);
// This is as long as connection tracking keeps an idle session (nf_conntrack_tcp_timeout_established).
constexpr std::chrono::milliseconds kIdleFlow = std::chrono::days(5);

} // namespace

void add_allow(Transaction& transaction, const RulesetSpec& spec) {
    rule_in("allow").input_is_loopback().accept(transaction, "loopback");
    for (const Prefix& prefix : spec.allow)
        rule_in("allow").source_in(prefix).accept(transaction, "gate.allow");
}

void add_grants(Transaction& transaction, const RulesetSpec& spec, const char* chain, bool forward) {
    for_each_pinhole_set(spec, forward, false, [&](const PinholeSet& set, Family family, Key key) {
        Rule rule = rule_in(chain);
        if (set.range)
            rule.to_ports(*set.range);
        rule.in_set(family, key, set.name.set).go_to(transaction, "granted", "granted");
    });
}

void add_single_use(Transaction& transaction, const RulesetSpec& spec, const char* chain, bool forward, Use use) {
    for_each_pinhole_set(spec, forward, true, [&](const PinholeSet& set, Family family, Key key) {
        Rule rule = rule_in(chain);
        rule.is_new().in_set(family, key, set.name.set);
        if (use == Use::takes)
            rule.delete_from_set(family, key, set.name.set);
        rule.go_to(transaction, "granted", "granted, single use");
    });
}

// A redirect or DNAT may have changed the port on the way. A grant for the port that was addressed counts too.
void add_original_port_grants(Transaction& transaction, const RulesetSpec& spec) {
    for (const bool single_use : {false, true})
        for_each_pinhole_set(spec, false, single_use, [&](const PinholeSet& set, Family family, Key) {
            for (const IpProtocol protocol : kProtocols) {
                if (set.range && set.range->protocol != protocol)
                    continue;
                Rule rule = rule_in("asked");
                if (single_use)
                    rule.is_new();
                if (set.range)
                    rule.original_ports(*set.range).in_set(family, Key::source, set.name.set);
                else
                    rule.protocol_is(protocol).in_set(family, Key::source_original_port, set.name.set);
                if (single_use)
                    rule.delete_from_set(family, Key::source_original_port, set.name.set);
                rule.go_to(transaction, "granted", single_use ? "granted, single use" : "granted");
            }
        });
}

// A flow that connection tracking does not follow is remembered here, because it would end with its grant otherwise.
void add_granted(Transaction& transaction) {
    for (const Family family : kFamilies)
        rule_in("granted")
            .family_is(family)
            .update_set(family, Key::source, begun_set(is_v4(family)).set, kRetransmitted)
            .append_without_verdict(transaction, "retransmitted SYNs");
    for (const Family family : kFamilies)
        rule_in("granted")
            .without_entry()
            .family_is(family)
            .update_set(family, Key::both_ends, flows_set(is_v4(family)).set, kIdleFlow)
            .append_without_verdict(transaction, "notrack");
    rule_in("granted").accept(transaction, "granted");
}

// A SYN belongs to no existing session, even if it matches an old entry (whose socket may be gone). It belongs only to
// the handshake that it began.
void add_begin(Transaction& transaction, const char* chain, const char* next) {
    rule_in(chain).entry_protocol_is(IpProtocol::tcp).handshake_began().accept(transaction, "a handshake that began");
    rule_in(chain).go_to(transaction, next, "all else");
}

// Packets of a granted flow that connection tracking does not follow pass, unless its sessions end with their grant.
void add_flows(Transaction& transaction, const RulesetSpec& spec, const char* chain, const char* next) {
    for_each_cut(spec, chain, {}, [&](Rule& rule) { rule.without_entry().go_to(transaction, next, "after: cut"); });
    for (const Family family : kFamilies) {
        const std::string flows = flows_set(is_v4(family)).set;
        rule_in(chain)
            .without_entry()
            .in_set(family, Key::both_ends, flows)
            .update_set(family, Key::both_ends, flows, kIdleFlow)
            .accept(transaction, "notrack");
    }
    rule_in(chain).go_to(transaction, next, "all else");
}

// A host behind this one has grants of its own; a grant for the same port of this host does not count there.
void add_way_to_targets(Transaction& transaction, const RulesetSpec& spec, const char* from, const char* to) {
    for (const Family family : kFamilies)
        if (spec.has_targets())
            rule_in(from)
                .in_set(family, Key::target_port, protected_targets_set(is_v4(family)).set)
                .go_to(transaction, to, "hosts behind");
}

void add_targets(Transaction& transaction, const RulesetSpec& spec, const char* chain, Use use) {
    rule_in(chain).jump_to(transaction, "forward_grants", "grants");
    add_single_use(transaction, spec, chain, true, use);
    rule_in(chain).counter().drop(transaction, "protected");
}

} // namespace xk::nft::rules
