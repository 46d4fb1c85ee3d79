// SPDX-License-Identifier: MIT
#include "daemon/bans/bans.h"

#include "daemon/authz/ban_text.h"
#include "daemon/log.h"
#include "daemon/nft/ban_sets.h"
#include "protocol/base/quote.h"

#include <algorithm>
#include <map>

namespace xk {

void Bans::bind_filter(std::unique_ptr<xdp::BanFilter> filter) {
    filter_ = std::move(filter);
    filter_->set_ban_counts(list());
}

Result<void> Bans::adopt(BanFile file, const Now& now) {
    file_ = std::move(file);
    if (auto fine = file_.check(); !fine)
        return fine;
    auto kept = file_.read();
    const bool has_file = kept && *kept;
    if (!kept)
        log::error(std::move(kept).error().within("whose the bans are"));
    else if (has_file)
        book_ = **std::move(kept);
    book_.expire(now.boot);
    // A full disk may have kept bans out of the file. Where there is no file, an earlier release may have written none,
    // and its maps may have a layout that cannot be read.
    authz::BanList left = filter_->read_bans();
    left.expire(now.boot);
    std::map<Prefix, authz::Ban> unknown;
    for (const auto& [prefix, ban] : left.all())
        if (book_.claims_of(prefix).empty() || authz::is_longer(ban.until, book_.until_for_filter(prefix)))
            unknown.emplace(prefix, ban);
    if ((!unknown.empty() || !has_file) && in_nftables()) {
        auto in_sets = nft::read_bans(parts_.sets, now.boot);
        if (!in_sets)
            return in_sets.error();
        for (const auto& [prefix, ban] : *in_sets)
            if (const auto known = unknown.find(prefix); known != unknown.end())
                known->second.reason = ban.reason;
            else if (!has_file)
                unknown[prefix] = {ban.until, ban.reason};
    }
    for (const auto& [prefix, ban] : unknown)
        book_.set(prefix, authz::with_claim(book_.claims_of(prefix), {ban.reason, prefix, ban.until}));
    book_.expire(now.boot);
    if (auto done = file_.replace(book_); !done)
        log::error(done.error());
    return {};
}

Result<void> Bans::report_all() const {
    for (const auto& [prefix, ban] : list().all())
        if (auto sent = report(prefix); !sent)
            return sent;
    return {};
}

Result<void> Bans::may_ban(const Prefix& prefix, const std::set<Address>& own_addresses) const {
    for (const Prefix& allowed : config_->allow)
        if (prefix.contains(allowed) || allowed.contains(prefix))
            return Error{prefix.text() + " is allowed by gate.allow (" + allowed.text() + ")",
                         "take it out of the configuration first"};
    for (const Address& own : own_addresses)
        if (prefix.contains(own))
            return Error{own.text() + " is an address of this host", {}};
    if (prefix.address.is_loopback() || prefix.contains(Address::v4(127, 0, 0, 1)) ||
        prefix.contains(Address::parse("::1").value()))
        return Error{prefix.text() + " holds loopback addresses", {}};
    for (const Prefix& spared : config_->never_ban)
        if (prefix.contains(spared) || spared.contains(prefix))
            return Error{prefix.text() + " is spared by gate.never_ban (" + spared.text() + ")",
                         "take it out of the configuration first"};
    return {};
}

bool Bans::is_spared(const Prefix& prefix) const {
    for (const auto* spared : {&config_->allow, &config_->never_ban})
        if (std::ranges::any_of(*spared, [&](const Prefix& p) { return p.contains(prefix) || prefix.contains(p); }))
            return true;
    return false;
}

Bans::Room Bans::count_room() const {
    const auto left = [](std::size_t most, std::size_t taken) { return most - std::min(most, taken); };
    return {left(xdp::kMaxBannedAddresses, list().addresses()), left(xdp::kMaxBannedNetworks, list().networks()),
            left(authz::BanBook::kMaxClaims, book_.size())};
}

// Takes room for the claim; an error where none is left. A claim that is there already has its room.
Result<void> Bans::take_room(Room& room, const Prefix& prefix, const authz::BanClaim& claim,
                             const Changes& changes) const {
    const auto changed = changes.find(prefix);
    const authz::BanClaims& claims = changed != changes.end() ? changed->second : book_.claims_of(prefix);
    if (std::ranges::any_of(claims, [&](const authz::BanClaim& known) { return known.is_of(claim); }))
        return {};
    if (claims.size() >= authz::BanBook::kMaxOfPrefix || room.claims == 0)
        return Error{prefix.text() + " has too many owners, or all bans together", "unban some: knockctl bans"};
    std::size_t& places = prefix.is_single() ? room.addresses : room.networks;
    if (claims.empty() && places == 0 && prefix.is_single())
        return Error{"no more than " + std::to_string(xdp::kMaxBannedAddresses) + " addresses can be banned",
                     "ban networks, or unban some: knockctl bans"};
    if (claims.empty() && places == 0)
        return Error{"no more than " + std::to_string(xdp::kMaxBannedNetworks) + " networks can be banned",
                     "ban larger ones, or unban some: knockctl bans"};
    places -= claims.empty();
    --room.claims;
    return {};
}

// Returns the prefix that the claim bans. For an address of IPv6 it is the network around it, if the request wants that
// and the network may be banned; else it is the prefix itself.
Result<Prefix> Bans::target_of(const authz::BanClaim& claim, unsigned ipv6_prefix,
                               const std::set<Address>& own_addresses, Room& room, const Changes& changes) const {
    const Prefix& asked = claim.named;
    if (!asked.is_v4() && asked.length > ipv6_prefix) {
        const Prefix network = Prefix::around(asked.address, ipv6_prefix);
        if (may_ban(network, own_addresses) && take_room(room, network, claim, changes))
            return network;
    }
    if (auto may = may_ban(asked, own_addresses); !may)
        return may.error();
    if (auto taken = take_room(room, asked, claim, changes); !taken)
        return taken.error();
    return asked;
}

// Only this function escapes the text. A backslash stays as it is, so that an owner who is copied from a list of bans
// and typed again is the same owner.
std::string Bans::owner_of(const std::string& reason) {
    std::string owner = as_line(std::string_view(reason).substr(0, nft::kMaxComment));
    owner.resize(std::min(owner.size(), nft::kMaxComment));
    return owner;
}

Result<Bans::Banned> Bans::ban(const Request& request, const std::set<Address>& own_addresses, const Now& now) {
    authz::BanClaim claim{owner_of(request.owner), {}, std::nullopt};
    if (request.time)
        claim.until = now.boot + *request.time;
    Room room = count_room();
    Banned result;
    Changes changes;
    for (const Prefix& asked : request.prefixes) {
        claim.named = asked;
        const auto target = target_of(claim, request.ipv6_prefix, own_addresses, room, changes);
        if (!target) {
            result.refused.push_back({asked, target.error()});
            continue;
        }
        const auto at = changes.try_emplace(*target, book_.claims_of(*target)).first;
        at->second = authz::with_claim(std::move(at->second), claim);
        result.prefixes.push_back(*target);
    }
    const auto before = apply(std::move(changes), now, authz::EndCause::by_operator);
    if (!before)
        return before.error();
    const auto reported = report_changes(*before);
    const auto closed = parts_.grants.close_banned(list(), now);
    if (!reported)
        result.unfinished = reported.error();
    else if (!closed)
        result.unfinished = closed.error();
    return result;
}

Result<std::size_t> Bans::unban(const std::vector<Prefix>& prefixes, const std::optional<std::string>& owner,
                                const Now& now) {
    std::size_t ended = 0;
    Changes changes;
    for (const Prefix& asked : prefixes)
        for (const Prefix& prefix : book_.banned_for(asked)) {
            authz::BanClaims& claims = changes.try_emplace(prefix, book_.claims_of(prefix)).first->second;
            const std::size_t before = claims.size();
            claims = authz::without_claims(std::move(claims), prefix, asked, owner);
            ended += before - claims.size();
        }
    if (auto done = apply_and_report(std::move(changes), now); !done)
        return done.error();
    return ended;
}

Result<std::size_t> Bans::unban_all(Family family, const std::optional<std::string>& owner, const Now& now) {
    std::size_t ended = 0;
    Changes changes;
    for (const auto& [prefix, claims] : book_.all()) {
        if (family != Family::any && prefix.is_v4() != (family == Family::v4))
            continue;
        authz::BanClaims rest = authz::without_claims(claims, prefix, prefix, owner);
        ended += claims.size() - rest.size();
        if (rest.size() != claims.size())
            changes.emplace(prefix, std::move(rest));
    }
    if (auto done = apply_and_report(std::move(changes), now); !done)
        return done.error();
    return ended;
}

// The addresses that were banned by this network are banned alone now, where the configuration permits that. Returns
// how many of them have no room for that.
std::size_t Bans::move_claims(const Prefix& lifted, Room& room, Changes& changes) const {
    std::size_t without_room = 0;
    room.claims += book_.claims_of(lifted).size();
    for (const authz::BanClaim& claim : book_.claims_of(lifted)) {
        if (claim.named == lifted || is_spared(claim.named))
            continue;
        if (!take_room(room, claim.named, claim, changes)) {
            ++without_room;
            continue;
        }
        const auto at = changes.try_emplace(claim.named, book_.claims_of(claim.named)).first;
        at->second = authz::with_claim(std::move(at->second), claim);
    }
    return without_room;
}

Result<void> Bans::reconfigure(std::shared_ptr<const config::Config> config, const Now& now) {
    config_ = std::move(config);
    Room room = count_room();
    Changes changes;
    std::size_t without_room = 0;
    for (const auto& [prefix, claims] : book_.all())
        if (is_spared(prefix)) {
            changes[prefix] = {};
            without_room += move_claims(prefix, room, changes);
        }
    auto done = apply_and_report(std::move(changes), now, authz::EndCause::configuration);
    if (done && without_room > 0)
        log::warn("{} addresses were banned by a network that is allowed now, and there is no room to ban them alone",
                  without_room);
    return done;
}

} // namespace xk
