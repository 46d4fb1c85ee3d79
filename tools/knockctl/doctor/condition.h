// SPDX-License-Identifier: MIT
//
// Condition: the first packets of connections that a rule matches, as far as the doctor understands the rule. A part
// that it does not understand is left out, so a condition may be too wide and is never too narrow: no way is missed.
#pragma once

#include "protocol/base/address.h"
#include "protocol/service.h"
#include "tools/knockctl/doctor/ports.h"
#include "tools/knockctl/doctor/ruleset.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace xk::tools {

// From one address to another of the same family, both included.
struct AddressRange {
    Address first, last;

    static AddressRange of(const Prefix& prefix) { return {prefix.address, prefix.last()}; }
    // "192.0.2.1", "192.0.2.0/24", "192.0.2.1-192.0.2.9".
    static std::optional<AddressRange> parse(const std::string& text);
    bool has(const Address& address) const {
        return first.is_v4() == address.is_v4() && first <= address && address <= last;
    }
    bool meets(const AddressRange& other) const {
        return first.is_v4() == other.first.is_v4() && first <= other.last && other.first <= last;
    }
    std::string text() const;
};

struct Condition {
    bool v4 = true, v6 = true;
    std::set<IpProtocol> protocols = {IpProtocol::tcp, IpProtocol::udp, IpProtocol::sctp};
    PortSet ports = PortSet::all(), source_ports = PortSet::all();
    std::optional<std::vector<AddressRange>> destinations; // none: any
    std::string interface;                                 // that it comes in at; empty: any

    bool is_possible() const {
        return (v4 || v6) && !protocols.empty() && !ports.empty() && !source_ports.empty() &&
               (!destinations || !destinations->empty());
    }
    Condition operator&(const Condition& other) const;
    // The range of both.
    Condition operator|(const Condition& other) const;
    bool goes_to(const Address& address) const;

    // Describes the packets of these ports that it takes: "tcp/2222 at 192.0.2.1".
    std::string text(const PortSet& of) const;
};

// The condition of one match statement of nft -j, from its left and right side. `negated` stands for "!=".
Condition condition_of(const Ruleset& ruleset, const Chain& chain, const std::string& op, const nlohmann::json& left,
                       const nlohmann::json& right);

// The numbers, or addresses, that nft -j writes as one value, a range, a prefix or a set.
std::optional<PortSet> ports_in(const nlohmann::json& value);
std::optional<AddressRange> addresses_in(const nlohmann::json& value);

} // namespace xk::tools
