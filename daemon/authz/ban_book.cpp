// SPDX-License-Identifier: MIT
#include "daemon/authz/ban_book.h"

#include <algorithm>

namespace xk::authz {
bool is_longer(const std::optional<BootTime>& a, const std::optional<BootTime>& b) { return b && (!a || *a > *b); }

BanClaims with_claim(BanClaims claims, const BanClaim& claim) {
    const auto known = std::find_if(claims.begin(), claims.end(), [&](const BanClaim& c) { return c.is_of(claim); });
    if (known == claims.end())
        claims.push_back(claim);
    else if (is_longer(claim.until, known->until))
        known->until = claim.until;
    return claims;
}

std::optional<Ban> longest_of(const BanClaims& claims) {
    const auto longest = std::max_element(
        claims.begin(), claims.end(), [](const BanClaim& a, const BanClaim& b) { return is_longer(b.until, a.until); });
    if (longest == claims.end())
        return std::nullopt;
    return Ban{longest->until, longest->owner};
}

BanClaims without_claims(BanClaims claims, const Prefix& prefix, const Prefix& asked,
                         const std::optional<std::string>& owner) {
    std::erase_if(claims, [&](const BanClaim& claim) {
        return (prefix == asked || claim.named == asked) && (!owner || claim.owner == *owner);
    });
    return claims;
}

const BanClaims& BanBook::claims_of(const Prefix& prefix) const {
    static const BanClaims none;
    const auto found = claims_.find(prefix);
    return found == claims_.end() ? none : found->second;
}

void BanBook::set(const Prefix& prefix, BanClaims claims) {
    size_ = size_ - claims_of(prefix).size() + claims.size();
    if (claims.empty()) {
        claims_.erase(prefix);
        list_.remove(prefix);
        return;
    }
    for (const BanClaim& claim : claims)
        if (claim.until && (!next_ || *claim.until < *next_))
            next_ = claim.until;
    list_.add(prefix, *longest_of(claims));
    claims_[prefix] = std::move(claims);
}

std::vector<Prefix> BanBook::expire(BootTime now) {
    std::vector<Prefix> over;
    if (!next_ || *next_ > now)
        return over;
    next_.reset();
    for (auto& [prefix, claims] : claims_) {
        size_ -= std::erase_if(claims, [&](const BanClaim& claim) { return claim.until && *claim.until <= now; });
        for (const BanClaim& claim : claims)
            if (claim.until && (!next_ || *claim.until < *next_))
                next_ = claim.until;
        if (claims.empty())
            over.push_back(prefix);
    }
    for (const Prefix& prefix : over) {
        claims_.erase(prefix);
        list_.remove(prefix);
    }
    return over;
}

std::vector<Prefix> BanBook::around(const Prefix& asked) const {
    std::vector<Prefix> found;
    for (unsigned length = 0; length <= asked.length; ++length) {
        const Prefix prefix = Prefix::around(asked.address, length);
        if (list_.has_length(length) && prefix.contains(asked) && claims_.count(prefix) != 0)
            found.push_back(prefix);
    }
    return found;
}

std::optional<BootTime> BanBook::until_for_filter(const Prefix& banned) const {
    std::optional<BootTime> until = list_.all().at(banned).until;
    if (banned.is_single())
        return until;
    for (const Prefix& prefix : around(banned))
        if (const auto& ban = list_.all().at(prefix); is_longer(ban.until, until))
            until = ban.until;
    return until;
}

std::vector<Prefix> BanBook::networks_inside(const Prefix& prefix) const {
    std::vector<Prefix> found;
    const Address last = prefix.last();
    for (auto at = claims_.upper_bound(prefix); at != claims_.end() && at->first.address <= last; ++at)
        if (!at->first.is_single() && prefix.contains(at->first))
            found.push_back(at->first);
    return found;
}

std::vector<Prefix> BanBook::banned_for(const Prefix& asked) const {
    std::vector<Prefix> found = around(asked);
    std::erase_if(found, [&](const Prefix& prefix) {
        const BanClaims& claims = claims_of(prefix);
        return prefix != asked &&
               std::none_of(claims.begin(), claims.end(), [&](const BanClaim& claim) { return claim.named == asked; });
    });
    return found;
}

} // namespace xk::authz
