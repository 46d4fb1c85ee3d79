// SPDX-License-Identifier: MIT
//
// The whole ruleset of nftables as nft(8) prints it: as JSON, and beside each rule its text. What iptables-nft made is
// in there too, but the JSON of such a rule may lack what its extensions compare ("xt"); the text then has it.
#pragma once

#include "protocol/base/result.h"

#include <nlohmann/json.hpp>

#include <map>
#include <string>
#include <vector>

namespace xk::tools {

struct Rule {
    nlohmann::json statements;
    std::string text;
    unsigned handle = 0;
};

struct Chain {
    std::string family, table, name;
    std::string hook;                 // empty: no base chain
    std::string type;                 // "filter", "nat", "route"
    std::vector<std::string> devices; // of an ingress chain
    int priority = 0;
    bool drops_at_end = false; // policy drop
    std::vector<Rule> rules;

    std::string label() const { return "chain " + name + " of table " + family + " " + table; }
};

class Ruleset {
  public:
    // Runs nft, which wants root. The error says so where it is not to be found.
    static Result<Ruleset> read();
    // From what nft -j and nft -a -s print.
    static Result<Ruleset> parse(const std::string& json, const std::string& text);

    const Chain* find(const std::string& family, const std::string& table, const std::string& chain) const;

    // Base chains that a packet for this host meets, in the order in which it does. What goes on to another host has
    // "forward" as its last hook, or from IPVS "output".
    std::vector<const Chain*> on_the_way_in(const std::string& last_hook = "input") const;
    std::vector<const Chain*> all() const;

    // The elements of a named set or map; null where there is none of this name.
    const nlohmann::json* elements(const std::string& family, const std::string& table, const std::string& set) const;

    // The names of a table's sets and maps.
    std::vector<std::string> sets_of(const std::string& family, const std::string& table) const;

    // Whether a rule of the table names the set.
    bool uses(const std::string& family, const std::string& table, const std::string& set) const;

  private:
    std::map<std::string, Chain> chains_;        // by "family table name"
    std::map<std::string, nlohmann::json> sets_; // likewise
};

} // namespace xk::tools
