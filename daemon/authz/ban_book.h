// SPDX-License-Identifier: MIT
//
// Who wants whom banned. One prefix may have several owners (jails of fail2ban, the operator), each with a time of its
// own; the longest counts. What counts is kept as a BanList, which is what nftables, the filter and judgement are told.
#pragma once

#include "daemon/authz/bans.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xk::authz {

// One owner's ban of one prefix.
struct BanClaim {
    std::string owner; // printable: the reason that was given; empty for a ban without one
    // What was named: the prefix itself, or an address in it where addresses of IPv6 are banned by their network. Each
    // address has its own claim, so that the end of one is not the end of the others.
    Prefix named;
    std::optional<BootTime> until; // none: for ever

    bool operator==(const BanClaim&) const = default;
    bool is_of(const BanClaim& other) const { return owner == other.owner && named == other.named; }
};

using BanClaims = std::vector<BanClaim>;

// Whether the first ends after the second.
bool is_longer(const std::optional<BootTime>& a, const std::optional<BootTime>& b);

// Adds the claim; one that is there (same owner, same name) is never shortened.
BanClaims with_claim(BanClaims claims, const BanClaim& claim);

// What counts of them: the longest time, and whose it is. Nothing of none.
std::optional<Ban> longest_of(const BanClaims& claims);

// What is left of a prefix's claims when `asked` is unbanned by this owner, or by all: all claims are meant where it
// is the prefix itself, else those that named it.
BanClaims without_claims(BanClaims claims, const Prefix& prefix, const Prefix& asked,
                         const std::optional<std::string>& owner);

class BanBook {
  public:
    // Owners are made by who may ban; these bounds keep a script in a loop from taking the memory.
    static constexpr std::size_t kMaxOfPrefix = 1024;
    static constexpr std::size_t kMaxClaims = 262'144;

    // What counts: each prefix with the longest time, and the owner whose time it is.
    const BanList& list() const { return list_; }
    const std::map<Prefix, BanClaims>& all() const { return claims_; }
    const BanClaims& claims_of(const Prefix& prefix) const;
    std::size_t size() const { return size_; } // claims

    // Makes the claims of the prefix these; none: it is not banned any more.
    void set(const Prefix& prefix, BanClaims claims);

    // Takes away claims that are over, and returns the prefixes that have none left. A prefix that has one left needs
    // nothing more: the longest is the last to end.
    std::vector<Prefix> expire(BootTime now);

    // Prefixes that are banned because of `asked`: itself, and networks around it with a claim that named it.
    std::vector<Prefix> banned_for(const Prefix& asked) const;
    // Prefixes around `asked`, and itself, that are banned.
    std::vector<Prefix> around(const Prefix& asked) const;
    // When the filter may let a banned prefix pass. Its map of networks answers with the innermost one only, so that
    // each network carries the time of the longest around it.
    std::optional<BootTime> until_for_filter(const Prefix& banned) const;
    // Networks inside the prefix that are banned.
    std::vector<Prefix> networks_inside(const Prefix& prefix) const;

  private:
    std::map<Prefix, BanClaims> claims_;
    BanList list_;
    std::size_t size_ = 0;
    std::optional<BootTime> next_; // no claim ends earlier
};

} // namespace xk::authz
