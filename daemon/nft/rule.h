// SPDX-License-Identifier: MIT
//
// One nftables rule, built expression by expression. Each function stands for one word of nft(8), which its comment
// shows. The registers are those that nft itself would use: "nft list ruleset" then shows the rule as a person would
// have written it, and nft can read it back.
#pragma once

#include "daemon/nft/transaction.h"
#include "protocol/base/address.h"
#include "protocol/service.h"

#include <libnftnl/rule.h>

#include <chrono>
#include <string>

namespace xk::nft {

enum class Family : std::uint8_t { v4 = 2, v6 = 10 }; // NFPROTO_IPV4, NFPROTO_IPV6

// The key of a set.
enum class Key {
    source,               // ip saddr
    source_port,          // ip saddr . meta l4proto . th dport
    source_target_port,   // ip saddr . ip daddr . meta l4proto . th dport
    port,                 // meta l4proto . th dport
    target_port,          // ip daddr . meta l4proto . th dport
    source_original_port, // ip saddr . meta l4proto . ct original proto-dst; nft wants protocol_is() before it
    both_ends,            // ip saddr . ip daddr . meta l4proto . th sport . th dport
};

class Rule {
  public:
    Rule(const std::string& table, const std::string& chain);

    // Connection tracking.
    Rule& established();            // ct state established
    Rule& is_new();                 // ct state new
    Rule& without_entry();          // ct state invalid,untracked
    Rule& has_no_session();         // ct state new,invalid,untracked
    Rule& destination_translated(); // ct status dnat
    Rule& in_reply_direction();     // ct direction reply
    // ct original protocol tcp. A packet that a light-weight tunnel unpacked still has the entry of the outer packet.
    Rule& entry_protocol_is(IpProtocol protocol);
    // ct direction original ct status confirmed / assured,confirmed: a handshake that the other end began is not over.
    Rule& handshake_began();
    Rule& original_ports(const PortRange& ports); // meta l4proto tcp ct original proto-dst 6000-6100

    // The packet.
    Rule& input_is_loopback();               // iif lo
    Rule& input_is_no_bridge();              // iifkind != "bridge" (Linux 5.1)
    Rule& family_is(Family family);          // meta nfproto ipv4
    Rule& protocol_is(IpProtocol protocol);  // meta l4proto tcp
    Rule& source_in(const Prefix& prefix);   // ip saddr 192.0.2.0/24
    Rule& target_is(const Address& address); // ip daddr 198.51.100.7
    Rule& to_ports(const PortRange& ports);  // meta l4proto tcp th dport 22, or 6000-6100
    Rule& is_syn();                          // tcp flags syn / syn,ack
    Rule& has_syn_or_rst();                  // tcp flags syn,rst
    Rule& for_this_host();                   // fib daddr type local
    Rule& for_this_interface();              // fib daddr . iif type local: in a VRF, its own table is used
    // fib daddr type != local fib daddr . iif type local: in a VRF, for what for_this_host() does not match.
    Rule& for_this_vrf();
    Rule& from_elsewhere(); // fib saddr type != local

    // Sets. `family` does not matter to Key::port.
    Rule& in_set(Family family, Key key, const std::string& set);          // KEY @set
    Rule& delete_from_set(Family family, Key key, const std::string& set); // delete @set { KEY }
    // update @set { KEY timeout TIME }: adds the key, or begins its time again. Always matches.
    Rule& update_set(Family family, Key key, const std::string& set, std::chrono::milliseconds time);
    // add @set { KEY ct count over NUMBER }
    Rule& more_connections_than(std::uint32_t number, Family family, Key key, const std::string& set);

    Rule& counter();

    // Each of these ends the rule and appends it to the chain.
    void accept(Transaction& transaction, const std::string& comment);
    void drop(Transaction& transaction, const std::string& comment);
    void append_without_verdict(Transaction& transaction, const std::string& comment); // the next rule decides
    void go_to(Transaction& transaction, const std::string& chain, const std::string& comment);
    void jump_to(Transaction& transaction, const std::string& chain, const std::string& comment);
    void return_to_caller(Transaction& transaction, const std::string& comment);   // return
    void reject_with_reset(Transaction& transaction, const std::string& comment);  // reject with tcp reset
    void reject_unreachable(Transaction& transaction, const std::string& comment); // reject with icmpx port-unreachable
    void redirect_to(Transaction& transaction, std::uint16_t port, const std::string& comment); // redirect to :0
    void translate_to(Transaction& transaction, const Address& target, std::uint16_t port,
                      const std::string& comment); // dnat ip to 198.51.100.7:22

  private:
    void append_reject(Transaction& transaction, std::uint32_t type, std::uint8_t code, const std::string& comment);
    void append_verdict(Transaction& transaction, std::uint32_t verdict, const std::string& comment,
                        const std::string& chain = {});

    Handle<nftnl_rule, nftnl_rule_free> rule_;
};

} // namespace xk::nft
