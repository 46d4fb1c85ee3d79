// SPDX-License-Identifier: MIT
//
// One nftables rule, built expression by expression. Each function stands for what nft(8) writes in one word;
// the registers are those that nft itself would use, so that "nft list ruleset" shows the rule as a person would
// have written it, and nft can read back what it shows.
#pragma once

#include "daemon/nft/transaction.h"
#include "protocol/base/address.h"
#include "protocol/service.h"

#include <libnftnl/rule.h>

#include <chrono>
#include <string>

namespace xk::nft {

enum class Family : std::uint8_t { v4 = 2, v6 = 10 }; // NFPROTO_IPV4, NFPROTO_IPV6

// What a set is keyed by.
enum class Key {
    source,             // ip saddr
    source_port,        // ip saddr . meta l4proto . th dport
    source_target_port, // ip saddr . ip daddr . meta l4proto . th dport
    port,               // meta l4proto . th dport
    target_port,        // ip daddr . meta l4proto . th dport
    source_asked,       // ip saddr . meta l4proto . ct original proto-dst; nft wants to_protocol() before it
    both_ends,          // ip saddr . ip daddr . meta l4proto . th sport . th dport
};

class Rule {
  public:
    Rule(const std::string& table, const std::string& chain);

    Rule& input_is_loopback();  // iif lo
    Rule& input_is_no_bridge(); // iifkind != "bridge" (Linux 5.1)
    Rule& established();        // ct state established
    Rule& is_new();             // ct state new
    Rule& without_entry();      // ct state invalid,untracked
    Rule& translated();         // ct status dnat
    Rule& answers_ours();       // ct direction reply
    Rule& begins();             // tcp flags syn / syn,ack
    // ct original protocol tcp: what a light-weight tunnel unpacks still has the entry of what it came in.
    Rule& entry_is_of(IpProtocol protocol);
    // A connection of theirs whose handshake is not over: ct direction original ct status confirmed / assured,confirmed
    Rule& begun();
    Rule& source_in(const Prefix& prefix);     // ip saddr 192.0.2.0/24
    Rule& target_is(const Address& address);   // ip daddr 198.51.100.7
    Rule& to_ports(const PortRange& ports);    // meta l4proto tcp th dport 22, or 6000-6100
    Rule& asked_ports(const PortRange& ports); // meta l4proto tcp ct original proto-dst 6000-6100
    Rule& is(Family family);                   // meta nfproto ipv4
    Rule& to_protocol(IpProtocol protocol);    // meta l4proto tcp
    // KEY @set. Of Key::port, which has no family, `family` is not looked at.
    Rule& in_set(Family family, Key key, const std::string& set);
    Rule& take_out(Family family, Key key, const std::string& set); // delete @set { KEY }
    // update @set { KEY timeout TIME }: enters the packet, or begins its time again. Never fails to match.
    Rule& remember(Family family, Key key, const std::string& set, std::chrono::milliseconds time);
    // add @set { KEY ct count over N }: matches where there are more than that.
    Rule& more_connections_than(std::uint32_t number, Family family, Key key, const std::string& set);
    Rule& for_this_host();      // fib daddr type local
    Rule& for_this_interface(); // fib daddr . iif type local: in a VRF, its own table is asked
    Rule& counter();
    // Of sessions that were ended (ended.h).
    Rule& is_no_session();    // ct state new,invalid,untracked
    Rule& begins_or_resets(); // tcp flags syn,rst
    Rule& from_elsewhere();   // fib saddr type != local

    // Ends the rule and appends it to the chain.
    void accept(Transaction& transaction, const std::string& comment);
    void drop(Transaction& transaction, const std::string& comment);
    void go_on(Transaction& transaction, const std::string& comment); // no verdict: the next rule decides
    void go_to(Transaction& transaction, const std::string& chain, const std::string& comment);
    void jump_to(Transaction& transaction, const std::string& chain, const std::string& comment);
    void go_back(Transaction& transaction, const std::string& comment);         // return
    void reset(Transaction& transaction, const std::string& comment);           // reject with tcp reset
    void say_unreachable(Transaction& transaction, const std::string& comment); // reject with icmpx port-unreachable
    void redirect_to(Transaction& transaction, std::uint16_t port, const std::string& comment); // redirect to :0
    void translate_to(Transaction& transaction, const Address& target, std::uint16_t port,
                      const std::string& comment); // dnat ip to 198.51.100.7:22

  private:
    void load(Family family, Key key);
    nftnl_expr* dynset(Family family, Key key, const std::string& set, std::uint32_t operation);
    void connection(std::uint32_t key);
    void any_of(std::uint32_t key, std::uint32_t bits);
    void port_in(const PortRange& ports);
    void fib_is(std::uint32_t flags, std::uint32_t operation, std::uint32_t type);
    void reject(Transaction& transaction, std::uint32_t type, std::uint8_t code, const std::string& comment);
    void append(Transaction& transaction, const std::string& comment);
    void verdict(Transaction& transaction, std::uint32_t verdict, const std::string& comment,
                 const std::string& chain = {});

    Handle<nftnl_rule, nftnl_rule_free> rule_;
};

} // namespace xk::nft
