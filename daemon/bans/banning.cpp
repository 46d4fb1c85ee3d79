// SPDX-License-Identifier: MIT
#include "daemon/bans/banning.h"

#include "daemon/authz/ban_text.h"
#include "daemon/log.h"
#include "daemon/nft/ban_sets.h"
#include "daemon/privsep/messages.h"
#include "daemon/xdp/maps.h"
#include "protocol/base/quote.h"

#include <algorithm>
#include <map>

namespace xk {
namespace {

using std::chrono::milliseconds;

std::optional<milliseconds> time_left(const authz::Ban& ban, BootTime now) {
    if (!ban.until)
        return std::nullopt;
    return std::max(std::chrono::ceil<milliseconds>(*ban.until - now), milliseconds(1));
}

privsep::Ban message_of(const Prefix& prefix, const authz::Ban& ban) {
    privsep::Ban message;
    message.prefix = prefix;
    message.for_ever = ban.until ? 0 : 1;
    message.until = ban.until ? ban.until->time_since_epoch().count() : 0;
    return message;
}

} // namespace

void Banning::use(xdp::Filter& filter) {
    filter_ = &filter;
    xdp::set_ban_counts(filter, list());
}

Result<void> Banning::adopt(BanFile file, const Now& now) {
    file_ = std::move(file);
    if (auto fine = file_.check(); !fine)
        return fine;
    auto kept = file_.read();
    if (!kept)
        log::error(std::move(kept).error().within("whose the bans are"));
    else if (*kept)
        book_ = **std::move(kept);
    book_.expire(now.boot);
    // The file can lack what the disk did not take, or be of a release that had none; without it the filter's maps may
    // be of a release whose maps cannot be read.
    authz::BanList left = xdp::read_bans(*filter_);
    left.expire(now.boot);
    std::map<Prefix, authz::Ban> unknown;
    for (const auto& [prefix, ban] : left.all())
        if (book_.claims_of(prefix).empty() || authz::is_longer(ban.until, book_.until_for_filter(prefix)))
            unknown.emplace(prefix, ban);
    const bool has_file = kept && *kept;
    if ((!unknown.empty() || !has_file) && in_nftables()) {
        auto in_sets = nft::read_bans(socket_, now.boot);
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

Result<void> Banning::install(const Now& now) {
    nft::Transaction transaction;
    write(transaction, now);
    if (auto done = socket_.commit(std::move(transaction)); !done)
        return std::move(done).error().within("writing the bans");
    return xdp::replace_bans(*filter_, book_);
}

void Banning::write(nft::Transaction& transaction, const Now& now) const {
    if (!in_nftables())
        return;
    nft::clear_bans(transaction);
    for (const auto& [prefix, ban] : list().all())
        if (prefix.is_single())
            nft::add_banned_address(transaction, prefix.address, time_left(ban, now.boot), ban.reason);
    write_networks(transaction);
}

void Banning::write_networks(nft::Transaction& transaction) const {
    std::vector<nft::BannedNetwork> networks;
    for (const auto& [prefix, ban] : list().all())
        if (!prefix.is_single())
            networks.push_back({prefix, ban.reason, ban.until});
    nft::write_banned_networks(transaction, networks);
}

Result<void> Banning::tell(const privsep::Channel& worker) const {
    for (const auto& [prefix, ban] : list().all())
        if (auto sent = privsep::send(worker, message_of(prefix, ban)); !sent)
            return sent;
    return {};
}

Result<void> Banning::may_ban(const Prefix& prefix, const std::set<Address>& own_addresses) const {
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

bool Banning::is_spared(const Prefix& prefix) const {
    for (const auto* spared : {&config_->allow, &config_->never_ban})
        if (std::ranges::any_of(*spared, [&](const Prefix& p) { return p.contains(prefix) || prefix.contains(p); }))
            return true;
    return false;
}

// One more claim takes its place; an error where there is none.
Result<void> Banning::take_room(Room& room, const Prefix& prefix, const Changes& changes) const {
    const auto changed = changes.find(prefix);
    const std::size_t claims = changed != changes.end() ? changed->second.size() : book_.claims_of(prefix).size();
    if (claims >= authz::BanBook::kMaxOfPrefix || room.claims == 0)
        return Error{prefix.text() + " has too many owners, or all bans together", "unban some: knockctl bans"};
    std::size_t& places = prefix.is_single() ? room.addresses : room.networks;
    if (claims == 0 && places == 0 && prefix.is_single())
        return Error{"no more than " + std::to_string(xdp::kMaxBannedAddresses) + " addresses can be banned",
                     "ban networks, or unban some: knockctl bans"};
    if (claims == 0 && places == 0)
        return Error{"no more than " + std::to_string(xdp::kMaxBannedNetworks) + " networks can be banned",
                     "ban larger ones, or unban some: knockctl bans"};
    places -= claims == 0;
    --room.claims;
    return {};
}

// The network where that is wanted and may be, else what was asked for.
Result<Prefix> Banning::target_of(const Prefix& asked, const Request& request, const std::set<Address>& own_addresses,
                                  Room& room, const Changes& changes) const {
    if (!asked.is_v4() && asked.length > request.ipv6_prefix) {
        const Prefix network = Prefix::around(asked.address, request.ipv6_prefix);
        if (may_ban(network, own_addresses) && take_room(room, network, changes))
            return network;
    }
    if (auto may = may_ban(asked, own_addresses); !may)
        return may.error();
    if (auto taken = take_room(room, asked, changes); !taken)
        return taken.error();
    return asked;
}

// Escaped here and nowhere else. A backslash stays, so that what is shown is the same owner when it is typed again.
std::string Banning::owner_of(const std::string& reason) {
    std::string owner = as_line(std::string_view(reason).substr(0, nft::kMaxComment));
    owner.resize(std::min(owner.size(), nft::kMaxComment));
    return owner;
}

Result<Banning::Banned> Banning::ban(const Request& request, const std::set<Address>& own_addresses,
                                     const privsep::Channel& worker, const Now& now) {
    authz::BanClaim claim{owner_of(request.owner), {}, std::nullopt};
    if (request.time)
        claim.until = now.boot + *request.time;
    const auto left = [](std::size_t most, std::size_t taken) { return most - std::min(most, taken); };
    Room room{left(xdp::kMaxBannedAddresses, list().addresses()), left(xdp::kMaxBannedNetworks, list().networks()),
              left(authz::BanBook::kMaxClaims, book_.size())};
    Banned result;
    Changes changes;
    for (const Prefix& asked : request.prefixes) {
        const auto target = target_of(asked, request, own_addresses, room, changes);
        if (!target) {
            result.refused.push_back({asked, target.error()});
            continue;
        }
        claim.named = asked;
        const auto at = changes.try_emplace(*target, book_.claims_of(*target)).first;
        at->second = authz::with_claim(std::move(at->second), claim);
        result.prefixes.push_back(*target);
    }
    if (auto done = apply(std::move(changes), worker, now); !done)
        return done.error();
    if (auto closed = grants_.close_banned(list(), now); !closed)
        return closed.error();
    return result;
}

Result<std::size_t> Banning::unban(const std::vector<Prefix>& prefixes, const std::optional<std::string>& owner,
                                   const privsep::Channel& worker, const Now& now) {
    std::size_t ended = 0;
    Changes changes;
    for (const Prefix& asked : prefixes)
        for (const Prefix& prefix : book_.banned_for(asked)) {
            authz::BanClaims& claims = changes.try_emplace(prefix, book_.claims_of(prefix)).first->second;
            const std::size_t before = claims.size();
            claims = authz::without_claims(std::move(claims), prefix, asked, owner);
            ended += before - claims.size();
        }
    if (auto done = apply(std::move(changes), worker, now); !done)
        return done.error();
    return ended;
}

Result<std::size_t> Banning::unban_all(Family family, const std::optional<std::string>& owner,
                                       const privsep::Channel& worker, const Now& now) {
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
    if (auto done = apply(std::move(changes), worker, now); !done)
        return done.error();
    return ended;
}

void Banning::reconfigure(const config::Config& config, const privsep::Channel& worker) {
    config_ = &config;
    Changes changes;
    std::vector<Prefix> lifted;
    for (const auto& [prefix, claims] : book_.all()) {
        if (!is_spared(prefix))
            continue;
        lifted.push_back(prefix);
        changes[prefix] = {};
        // Those that were banned by their network stay so alone, where nobody spares them.
        for (const authz::BanClaim& claim : claims)
            if (claim.named != prefix && !is_spared(claim.named)) {
                const auto at = changes.try_emplace(claim.named, book_.claims_of(claim.named)).first;
                at->second = authz::with_claim(std::move(at->second), claim);
            }
    }
    if (auto done = apply(std::move(changes), worker, Now::read()); !done)
        return log::error(done.error());
    for (const Prefix& prefix : lifted)
        spdlog::info("unbanned {}: gate.allow or gate.never_ban holds it now", prefix.text());
}

// The book comes first, then the file: from there on a daemon after us brings the changes about, if we do not. Bans
// stand in the filter before nftables knows them, and leave it after.
Result<void> Banning::apply(Changes changes, const privsep::Channel& worker, const Now& now) {
    Changes before;
    std::string lines;
    for (auto& [prefix, claims] : changes) {
        authz::BanClaims was = book_.claims_of(prefix);
        if (was == claims)
            continue;
        lines += authz::change_lines(prefix, was, claims);
        book_.set(prefix, std::move(claims));
        before.emplace(prefix, std::move(was));
    }
    if (before.empty())
        return {};
    if (auto kept = file_.append(lines, book_); !kept)
        log::error(kept.error());
    nft::Transaction transaction;
    write_changes(transaction, before, now);
    auto done = put_into_filter(before);
    if (done)
        done = socket_.commit(std::move(transaction));
    if (!done) {
        restore(before);
        return done;
    }
    take_from_filter(before);
    for (const auto& [prefix, was] : before)
        if (auto sent = tell_of(prefix, worker); !sent)
            return sent;
    return {};
}

void Banning::write_changes(nft::Transaction& transaction, const Changes& before, const Now& now) const {
    if (!in_nftables())
        return;
    std::size_t gone = 0;
    bool networks = false;
    for (const auto& [prefix, was] : before) {
        networks |= !prefix.is_single();
        gone += prefix.is_single() && book_.claims_of(prefix).empty();
    }
    if (gone > list().addresses()) // less to write than to take away
        return write(transaction, now);
    for (const auto& [prefix, was] : before) {
        const auto old = authz::longest_of(was), is = authz::longest_of(book_.claims_of(prefix));
        if (!prefix.is_single() || (old && is && old->until == is->until && old->reason == is->reason))
            continue;
        if (is)
            nft::put_banned_address(transaction, prefix.address, time_left(*is, now.boot), is->reason);
        else
            nft::remove_banned_address(transaction, prefix.address);
    }
    if (networks)
        write_networks(transaction);
}

Result<void> Banning::put_into_filter(const Changes& before) {
    for (const auto& [prefix, was] : before) {
        if (!book_.claims_of(prefix).empty())
            if (auto done = xdp::put_ban(*filter_, prefix, book_.until_for_filter(prefix)); !done)
                return done;
        if (prefix.is_single())
            continue;
        for (const Prefix& inside : book_.networks_inside(prefix))
            if (auto done = xdp::put_ban(*filter_, inside, book_.until_for_filter(inside)); !done)
                return done;
    }
    return {};
}

void Banning::take_from_filter(const Changes& before) {
    for (const auto& [prefix, was] : before)
        if (book_.claims_of(prefix).empty())
            xdp::erase_ban(*filter_, prefix);
    xdp::set_ban_counts(*filter_, list());
}

void Banning::restore(const Changes& before) {
    for (const auto& [prefix, was] : before)
        book_.set(prefix, was);
    (void)put_into_filter(before);
    take_from_filter(before);
    if (auto done = file_.replace(book_); !done)
        log::error(done.error());
}

Result<void> Banning::tell_of(const Prefix& prefix, const privsep::Channel& worker) const {
    if (const auto ban = list().all().find(prefix); ban != list().all().end())
        return privsep::send(worker, message_of(prefix, ban->second));
    privsep::Unban message;
    message.prefix = prefix;
    return privsep::send(worker, message);
}

void Banning::expire(const Now& now, const privsep::Channel& worker) {
    const std::vector<Prefix> over = book_.expire(now.boot);
    if (over.empty())
        return;
    for (const Prefix& prefix : over) {
        xdp::erase_ban(*filter_, prefix);
        (void)tell_of(prefix, worker);
    }
    xdp::set_ban_counts(*filter_, list());
    // The kernel ends the elements of addresses by itself.
    if (in_nftables() && std::any_of(over.begin(), over.end(), [](const Prefix& p) { return !p.is_single(); })) {
        nft::Transaction transaction;
        write_networks(transaction);
        (void)socket_.commit(std::move(transaction));
    }
}

} // namespace xk
