// SPDX-License-Identifier: MIT
//
// BanBook: the owners of each ban. One prefix may have several owners (jails of fail2ban, the operator), each with a
// time of their own. The longest time counts. The result is a BanList, which goes to nftables, the filter and
// judgement.
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
    // The prefix as the owner named it: the banned prefix itself, or an IPv6 address in it where IPv6 is banned by
    // network. Each address has its own claim, so that the end of one does not end the others.
    Prefix named;
    std::optional<BootTime> until; // none: for ever

    bool operator==(const BanClaim&) const = default;
    bool is_of(const BanClaim& other) const { return owner == other.owner && named == other.named; }
};

using BanClaims = std::vector<BanClaim>;

// Whether the first ends after the second.
bool is_longer(const std::optional<BootTime>& a, const std::optional<BootTime>& b);

// Adds the claim. An existing one (same owner, same name) is never shortened.
BanClaims with_claim(BanClaims claims, const BanClaim& claim);

// The longest time of the claims, and its owner. Nothing without claims.
std::optional<Ban> longest_of(const BanClaims& claims);

// The claims on `prefix` that remain when this owner (or, without one, everybody) unbans `asked`. If `asked` is the
// prefix itself, all their claims go, else only those that name `asked`.
BanClaims without_claims(BanClaims claims, const Prefix& prefix, const Prefix& asked,
                         const std::optional<std::string>& owner);

class BanBook {
  public:
    // Each program that may ban can make owners. These bounds keep a script in a loop from using up the memory.
    static constexpr std::size_t kMaxOfPrefix = 1024;
    static constexpr std::size_t kMaxClaims = 262'144;

    // Each banned prefix, with its longest time and the owner who has that time.
    const BanList& list() const { return list_; }
    const std::map<Prefix, BanClaims>& all() const { return claims_; }
    const BanClaims& claims_of(const Prefix& prefix) const;
    std::size_t size() const { return size_; } // claims

    // Replaces the claims of the prefix. Without claims it is not banned any more.
    void set(const Prefix& prefix, BanClaims claims);

    // Removes the claims that are over and returns the prefixes without any claim left. For the others nothing changes,
    // because the longest claim is the last to end.
    std::vector<Prefix> expire(BootTime now);

    // Prefixes that are banned because of `asked`: `asked` itself, and networks around it with a claim that names it.
    std::vector<Prefix> banned_for(const Prefix& asked) const;
    // The banned prefixes around `asked`, and `asked` itself if it is banned.
    std::vector<Prefix> around(const Prefix& asked) const;
    // The moment from which the filter passes a banned prefix again. Its map of networks finds only the innermost
    // network, so each network carries the longest time of those around it.
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
