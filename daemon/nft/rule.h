// SPDX-License-Identifier: MIT
//
// One nftables rule of the prerouting chain, built expression by expression. Each function stands for
// what nft(8) writes in one word; the registers are those that nft itself would use, so that
// "nft list ruleset" shows the rule as a person would have written it.
#pragma once

#include "daemon/nft/transaction.h"
#include "protocol/base/address.h"
#include "protocol/service.h"

#include <libnftnl/rule.h>

#include <string>

namespace xk::nft {

enum class Family : std::uint8_t { v4 = 2, v6 = 10 }; // NFPROTO_IPV4, NFPROTO_IPV6

class Rule {
  public:
    Rule(const std::string& table, const std::string& chain);

    Rule& input_is_loopback();               // iif lo
    Rule& established_or_related();          // ct state established,related
    Rule& source_in(const Prefix& prefix);   // ip saddr 192.0.2.0/24
    Rule& source_in_set(Family family, const std::string& set);
    Rule& source_protocol_port_in_set(Family family, const std::string& set);
    Rule& for_this_host();                   // fib daddr type != unicast
    Rule& protocol_port_in_set(const std::string& set);
    Rule& udp_port(std::uint16_t port);
    Rule& counter();

    // Ends the rule and appends it to the chain.
    void accept(Transaction& transaction, const std::string& comment);
    void drop(Transaction& transaction, const std::string& comment);

  private:
    void family(Family family);
    void verdict(Transaction& transaction, std::uint32_t verdict, const std::string& comment);

    Handle<nftnl_rule, nftnl_rule_free> rule_;
};

} // namespace xk::nft
