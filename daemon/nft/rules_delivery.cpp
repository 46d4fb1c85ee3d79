// SPDX-License-Identifier: MIT
#include "daemon/nft/ended.h"
#include "daemon/nft/rules.h"

namespace xk::nft::rules {
namespace {

// After routing, the entry of connection tracking may be that of another packet: segment routing (RFC 8986) unpacks
// there and leaves the entry of the outer packet, whose protocol is neither TCP nor UDP. Other protocols have no ports
// to protect.
void add_second_look(Transaction& transaction, const char* chain, const char* begin, const char* gate) {
    rule_in(chain).is_syn().go_to(transaction, begin, "SYN");
    for (const IpProtocol protocol : kProtocols)
        rule_in(chain).entry_protocol_is(protocol).established().accept(transaction, "sessions that exist");
    for (const IpProtocol protocol : kProtocols)
        rule_in(chain).protocol_is(protocol).go_to(transaction, gate, "all else");
}

} // namespace

// All packets here are for this host, whatever translated, unpacked or routed them: VRF, tunnels, other tables,
// broadcast. A single-use grant comes before the others, so that a packet that has both uses it up.
void add_input(Transaction& transaction, const RulesetSpec& spec) {
    add_second_look(transaction, "input", "input_begin", "input_gate");
    add_begin(transaction, "input_begin", "delivered");
    add_flows(transaction, spec, "input_gate", "delivered");

    rule_in("delivered").jump_to(transaction, "allow", "gate.allow");
    add_single_use(transaction, spec, "delivered", false, Use::takes);
    rule_in("delivered").jump_to(transaction, "grants", "grants");
    rule_in("delivered").destination_translated().jump_to(transaction, "asked", "original port");
    for_each_protected(spec, "delivered", [&](Rule& rule) {
        if (spec.closed)
            rule.go_to(transaction, "refuse_delivered", "protected");
        else
            rule.counter().drop(transaction, "protected");
    });
    if (!spec.closed)
        return;
    rule_in("refuse_delivered").protocol_is(IpProtocol::tcp).counter().reject_with_reset(transaction, "protected");
    rule_in("refuse_delivered").counter().reject_unreachable(transaction, "protected");
}

// Forwarded traffic to a host that we do not protect belongs to no grant.
void add_forward(Transaction& transaction, const RulesetSpec& spec) {
    add_second_look(transaction, "forward", "forward_begin", "forward_gate");
    add_begin(transaction, "forward_begin", "forwarded");
    add_flows(transaction, spec, "forward_gate", "forwarded");
    rule_in("forwarded").jump_to(transaction, "allow", "gate.allow");
    rule_in("forwarded").destination_translated().jump_to(transaction, "asked", "original port");
    add_way_to_targets(transaction, spec, "forwarded", "forwarded_targets");
}

// IPVS sends packets for a virtual service to a host behind this one through "output", as if they were this host's own.
void add_sent_on(Transaction& transaction, const RulesetSpec& spec) {
    rule_in(kOutputChain).has_no_session().from_elsewhere().go_to(transaction, "sent_on_gate", "IPVS");
    add_flows(transaction, spec, "sent_on_gate", "sent_on");
    rule_in("sent_on").jump_to(transaction, "allow", "gate.allow");
    add_way_to_targets(transaction, spec, "sent_on", "forwarded_targets");
}

} // namespace xk::nft::rules
