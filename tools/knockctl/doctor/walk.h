// SPDX-License-Identifier: MIT
//
// Follows one packet through one base chain and the chains that it jumps to: what may happen to it, and by which rules.
#pragma once

#include "tools/knockctl/doctor/match.h"

#include <optional>
#include <string>
#include <vector>

namespace xk::tools {

struct Place {
    std::string chain; // its label
    std::string rule;  // its text, or "policy drop"

    auto operator<=>(const Place&) const = default;
};

struct WalkResult {
    std::vector<Place> drops; // rules that may drop or refuse it
    // How those rules do it: silently, as a closed port answers (TCP reset, ICMP port unreachable), or in another way.
    bool silent = false, refused_as_closed = false, refused_otherwise = false;
    bool passes = false;                 // it may reach the end of the base chain, or be accepted
    std::vector<Place> accepts;          // rules by which it may pass
    std::optional<Place> sent_elsewhere; // a DNAT that may catch it
    Truth leaves = Truth::no;            // whether the DNAT catches it
    bool port_changed = false;           // a redirect: `port` is the new one, where the rule says it
    std::optional<std::uint16_t> port;

    // yes: in any case; no: never; maybe: it depends.
    Truth dropped() const { return drops.empty() ? Truth::no : passes ? Truth::maybe : Truth::yes; }
};

// Whether a chain of ours ends the packet for certain: dropped, refused, or sent to port 0, where nothing can listen.
inline bool shuts(const WalkResult& result) {
    return result.dropped() == Truth::yes || (result.port_changed && result.port == std::optional<std::uint16_t>(0));
}

WalkResult walk(const Ruleset& ruleset, const Chain& base, const Packet& packet);

// Whether the packet's family and interface meet this chain at all.
bool meets(const Chain& base, const Packet& packet);

} // namespace xk::tools
