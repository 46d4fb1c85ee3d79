// SPDX-License-Identifier: MIT
// The rules of max_connections, as the kernel would get them.
#include "daemon/nft/ruleset_rules.h"
#include "daemon/nft/transaction.h"

#include <doctest/doctest.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

using namespace xk;

namespace {

// All rules of this spec that count connections, as text of libnftnl.
std::vector<std::string> limits_of(const nft::ProtectedPort& port) {
    nft::RulesetSpec spec;
    spec.protected_ports.push_back(port);
    nft::Transaction transaction;
    nft::add_rules(transaction, spec);
    std::vector<std::string> rules;
    transaction.for_each_message([&](const nlmsghdr* message) {
        if ((message->nlmsg_type & 0xff) != NFT_MSG_NEWRULE)
            return;
        const std::unique_ptr<nftnl_rule, decltype(&nftnl_rule_free)> rule(nftnl_rule_alloc(), &nftnl_rule_free);
        REQUIRE(nftnl_rule_nlmsg_parse(message, rule.get()) == 0);
        std::string text(8192, '\0');
        const int size = nftnl_rule_snprintf(text.data(), text.size(), rule.get(), NFTNL_OUTPUT_DEFAULT, 0);
        REQUIRE(size > 0);
        text.resize(std::min(text.size(), static_cast<std::size_t>(size)));
        if (text.find("connlimit") != std::string::npos)
            rules.push_back(text);
    });
    return rules;
}

std::size_t count_with(const std::vector<std::string>& rules, std::initializer_list<const char*> parts) {
    return static_cast<std::size_t>(std::ranges::count_if(rules, [&](const std::string& rule) {
        return std::ranges::all_of(parts, [&](const char* p) { return rule.find(p) != std::string::npos; });
    }));
}

nft::ProtectedPort ssh() {
    nft::ProtectedPort port;
    port.ports = PortRange::parse("tcp/22").value();
    return port;
}

} // namespace

TEST_CASE("connections to a host behind this one are counted for each family, of sources with a grant alone") {
    nft::ProtectedPort port = ssh();
    port.target4 = Address::parse("198.51.100.7").value();
    port.target6 = Address::parse("2001:db8:7::7").value();
    CHECK(limits_of(port).empty());
    port.max_connections = 2;
    const auto rules = limits_of(port);
    CHECK(rules.size() == 2);
    CHECK(count_with(rules,
                     {"set forward4 ", "set forward_connections4 ", "connlimit count 2 flags 1", "reg 0 drop"}) == 1);
    CHECK(count_with(rules,
                     {"set forward6 ", "set forward_connections6 ", "connlimit count 2 flags 1", "reg 0 drop"}) == 1);
    port.target6 = {};
    CHECK(limits_of(port).size() == 1);
}

TEST_CASE("connections to a port of this host are counted for each family, and in a VRF by its own routes") {
    nft::ProtectedPort port = ssh();
    port.max_connections = 3;
    const auto rules = limits_of(port);
    CHECK(rules.size() == 4);
    CHECK(count_with(rules, {"set grants4 ", "set connections4 ", "connlimit count 3 flags 1", "reg 0 drop"}) == 2);
    CHECK(count_with(rules, {"set grants6 ", "set connections6 ", "connlimit count 3 flags 1", "reg 0 drop"}) == 2);
}
