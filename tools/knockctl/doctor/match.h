// SPDX-License-Identifier: MIT
//
// Whether a condition of a rule holds for the first packet of an ordinary connection: a TCP SYN or a UDP packet to a
// port of this host that comes in at an interface from a source to which the way back is the same. What cannot be known
// from the rule alone (the source, marks, limits, counters, what a module of iptables compares) is "maybe".
#pragma once

#include "protocol/base/address.h"
#include "protocol/service.h"
#include "tools/knockctl/doctor/ruleset.h"

#include <map>
#include <optional>
#include <set>
#include <string>

namespace xk::tools {

enum class Truth { no, maybe, yes };
inline Truth both(Truth a, Truth b) { return a < b ? a : b; }
inline Truth either(Truth a, Truth b) { return a < b ? b : a; }
inline Truth opposite(Truth a) { return a == Truth::maybe ? a : a == Truth::yes ? Truth::no : Truth::yes; }

struct Packet {
    bool v4 = true;
    IpProtocol protocol = IpProtocol::tcp;
    std::optional<std::uint16_t> port; // none: some rule changed it, and did not say into what
    std::string interface;
    std::set<Address> destinations; // addresses of this family that it may be for
    // Sets ("family table name") of which it is known whether the packet's source is in.
    std::map<std::string, bool> known_sets;
    std::vector<Prefix> never_from; // it comes from none of these networks
    bool translated = false;        // its address or port is not what it was sent to
    bool elsewhere = false;         // the table of local addresses does not have the one that it is for
    bool forwarded = false;         // it is for a host behind this one
};

// Whether the condition holds: a statement of the rule that is no verdict, and that may end it.
Truth holds(const Ruleset& ruleset, const Chain& chain, const Rule& rule, const nlohmann::json& statement,
            const Packet& packet);

// Whether the key of a verdict map is this one of its elements.
Truth key_is(const Ruleset& ruleset, const Chain& chain, const nlohmann::json& key, const nlohmann::json& element,
             const Packet& packet);

} // namespace xk::tools
