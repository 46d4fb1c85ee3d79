// SPDX-License-Identifier: MIT
//
// The way of one packet through one base chain and the chains that it jumps to: what may become of it, and by which
// rules.
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

struct Fate {
    std::vector<Place> drops; // that may end it
    // How those end it that may: without a word, as a closed port would (TCP reset, ICMP port unreachable), otherwise.
    bool silent = false, refused_as_closed = false, refused_otherwise = false;
    bool passes = false;                 // may get to the end of the base chain, or be accepted
    std::vector<Place> accepts;          // rules by which it may pass
    std::optional<Place> sent_elsewhere; // a DNAT that may catch it
    Truth leaves = Truth::no;            // whether it does
    bool port_changed = false;           // a redirect: `port` is the new one, where the rule says it
    std::optional<std::uint16_t> port;

    // For certain, not at all, or neither.
    Truth dropped() const { return drops.empty() ? Truth::no : passes ? Truth::maybe : Truth::yes; }
};

// Whether a chain of ours ends the packet for certain: dropped, refused, or sent to port 0, where nothing can listen.
inline bool shuts(const Fate& fate) {
    return fate.dropped() == Truth::yes || (fate.port_changed && fate.port == std::optional<std::uint16_t>(0));
}

Fate walk(const Ruleset& ruleset, const Chain& base, const Packet& packet);

// Whether the packet's family and interface meet this chain at all.
bool meets(const Chain& base, const Packet& packet);

} // namespace xk::tools
