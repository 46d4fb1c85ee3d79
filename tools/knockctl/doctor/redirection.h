// SPDX-License-Identifier: MIT
//
// Rules that send packets elsewhere than they were addressed to, or past connection tracking: of
// nftables, and of iptables whichever kind it is (nft -j shows no more of its targets than their
// name; iptables-save has the rest).
#pragma once

#include "tools/knockctl/doctor/condition.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace xk::tools {

// Where a rule sends what it takes.
struct Landing {
    enum class Kind { redirect, dnat, rewrite, tproxy, notrack } kind = Kind::redirect;
    bool here = false;                        // an address of this host's, whichever
    std::optional<AddressRange> address = {}; // none, and not here: as it was
    std::optional<PortSet> ports = {};        // none: as it was
    bool unknown = false;                     // the rule does not say it in a way that we can read
};

struct Redirection {
    Condition from;
    Landing to;
    std::string rule, place; // its text, and "chain pre of table inet nat (handle 3)"
    std::string hook;        // of the base chain that leads to it
    int priority = 0;
};

// Chains of rules, as far as they matter here. A chain's name is "family table chain".
struct Hop {
    Condition condition;
    std::string jump; // to this chain, or
    std::optional<Landing> landing;
    std::string rule, place;
};
struct Course {
    struct Base {
        std::string chain, hook;
        int priority = 0;
    };
    bool complete = true; // no map was too large
    std::vector<Base> bases;
    std::map<std::string, std::vector<Hop>> hops;
};

// The output of iptables-save: the rules of each chain in their order, by "family table chain".
using IptablesRules = std::map<std::string, std::vector<std::string>>;
IptablesRules parse_iptables(const std::string& saved, bool v4);

// One line of it, "-A PREROUTING ...". Also in redirection_iptables.cpp: all of the old iptables,
// which nft does not list.
Hop iptables_hop(const std::string& line, const std::string& table, bool v4);
Course course_of(const IptablesRules& legacy);

// The rules of nftables. Where one is of iptables, `iptables` (those of today) says what it does.
Course course_of(const Ruleset& ruleset, const IptablesRules& iptables);

// All that a packet from outside may meet; false at the end of `complete` where there are too many
// rules to look at.
std::vector<Redirection> follow(const Course& course, bool& complete);

} // namespace xk::tools
