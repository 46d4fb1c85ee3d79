// SPDX-License-Identifier: MIT
#include "daemon/banning.h"

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

std::optional<milliseconds> time_left(const gate::Ban& ban, BootTime now) {
    if (!ban.until)
        return std::nullopt;
    return std::max(std::chrono::ceil<milliseconds>(*ban.until - now), milliseconds(1));
}

privsep::Ban message_of(const Prefix& prefix, const gate::Ban& ban) {
    privsep::Ban message;
    message.prefix = prefix;
    message.for_ever = ban.until ? 0 : 1;
    message.until = ban.until ? ban.until->time_since_epoch().count() : 0;
    return message;
}

} // namespace

void Banning::use(xdp::Filter& filter) {
    filter_ = &filter;
    xdp::set_ban_counts(filter, list_);
}

Result<void> Banning::adopt(const Now& now) {
    list_ = xdp::read_bans(*filter_);
    list_.expire(now.boot);
    if (!in_nftables())
        return {};
    auto reasons = nft::read_ban_reasons(socket_);
    if (!reasons)
        return reasons.error();
    const gate::BanList known = list_;
    for (const auto& [prefix, ban] : known.all())
        if (const auto reason = reasons->find(prefix); reason != reasons->end())
            list_.add(prefix, {ban.until, reason->second});
    return {};
}

Result<void> Banning::install(const Now& now) {
    nft::Transaction transaction;
    write(transaction, now);
    if (auto done = socket_.commit(std::move(transaction)); !done)
        return std::move(done).error().within("writing the bans");
    return xdp::replace_bans(*filter_, list_);
}

void Banning::write(nft::Transaction& transaction, const Now& now) const {
    if (!in_nftables())
        return;
    nft::clear_bans(transaction);
    for (const auto& [prefix, ban] : list_.all())
        if (prefix.is_single())
            nft::add_banned_address(transaction, prefix.address, time_left(ban, now.boot), ban.reason);
    write_networks(transaction);
}

void Banning::write_networks(nft::Transaction& transaction) const {
    std::vector<nft::BannedNetwork> networks;
    for (const auto& [prefix, ban] : list_.all())
        if (!prefix.is_single())
            networks.push_back({prefix, ban.reason});
    nft::write_banned_networks(transaction, networks);
}

Result<void> Banning::tell(const privsep::Channel& worker) const {
    for (const auto& [prefix, ban] : list_.all())
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

Result<void> Banning::has_room(const Prefix& prefix) const {
    if (list_.all().count(prefix) != 0)
        return {};
    if (prefix.is_single() && list_.addresses() >= xdp::kMaxBannedAddresses)
        return Error{"no more than " + std::to_string(xdp::kMaxBannedAddresses) + " addresses can be banned",
                     "ban networks, or unban some: knockctl bans"};
    if (!prefix.is_single() && list_.networks() >= xdp::kMaxBannedNetworks)
        return Error{"no more than " + std::to_string(xdp::kMaxBannedNetworks) + " networks can be banned",
                     "ban larger ones, or unban some: knockctl bans"};
    return {};
}

Result<std::vector<Banning::Refusal>> Banning::ban(const std::vector<Prefix>& prefixes,
                                                   std::optional<std::chrono::seconds> time, const std::string& reason,
                                                   const std::set<Address>& own_addresses,
                                                   const privsep::Channel& worker, const Now& now) {
    gate::Ban ban{std::nullopt, printable(reason, nft::kMaxComment)};
    if (time)
        ban.until = now.boot + *time;
    std::vector<Refusal> refused;
    std::map<Prefix, std::optional<gate::Ban>> before; // those that are banned now, and what they were
    const auto undo = [&](Error error) {
        for (const auto& [prefix, was] : before) {
            if (was) {
                list_.add(prefix, *was);
                (void)xdp::put_ban(*filter_, prefix, *was);
            } else {
                list_.remove(prefix);
                xdp::erase_ban(*filter_, prefix);
            }
        }
        return error;
    };
    nft::Transaction transaction;
    bool networks = false;
    for (const Prefix& prefix : prefixes) {
        auto may = may_ban(prefix, own_addresses);
        if (may)
            may = has_room(prefix);
        if (!may) {
            refused.push_back({prefix, may.error()});
            continue;
        }
        const auto known = list_.all().find(prefix);
        before.try_emplace(prefix, known == list_.all().end() ? std::nullopt : std::optional(known->second));
        list_.add(prefix, ban);
        if (auto done = xdp::put_ban(*filter_, prefix, ban); !done)
            return undo(done.error());
        if (in_nftables() && prefix.is_single())
            nft::put_banned_address(transaction, prefix.address, time_left(ban, now.boot), ban.reason);
        networks |= !prefix.is_single();
    }
    if (in_nftables() && networks)
        write_networks(transaction);
    if (auto done = socket_.commit(std::move(transaction)); !done)
        return undo(done.error());
    xdp::set_ban_counts(*filter_, list_);
    for (const auto& [prefix, was] : before)
        if (auto sent = privsep::send(worker, message_of(prefix, ban)); !sent)
            return sent.error();
    if (auto closed = doors_.close_banned(list_, now); !closed)
        return closed.error();
    return refused;
}

Result<bool> Banning::unban(const Prefix& prefix, const privsep::Channel& worker) {
    const auto known = list_.all().find(prefix);
    if (known == list_.all().end())
        return false;
    const gate::Ban before = known->second;
    list_.remove(prefix);
    nft::Transaction transaction;
    if (in_nftables() && prefix.is_single())
        nft::remove_banned_address(transaction, prefix.address);
    else if (in_nftables())
        write_networks(transaction);
    if (auto done = socket_.commit(std::move(transaction)); !done) {
        list_.add(prefix, before);
        return done.error();
    }
    xdp::erase_ban(*filter_, prefix);
    xdp::set_ban_counts(*filter_, list_);
    privsep::Unban message;
    message.prefix = prefix;
    if (auto sent = privsep::send(worker, message); !sent)
        return sent.error();
    return true;
}

void Banning::reconfigure(const config::Config& config, const privsep::Channel& worker) {
    config_ = &config;
    std::vector<Prefix> lifted;
    for (const auto& banned : list_.all())
        for (const auto* spared : {&config.allow, &config.never_ban})
            if (std::ranges::any_of(*spared, [&](const Prefix& prefix) {
                    return prefix.contains(banned.first) || banned.first.contains(prefix);
                }))
                lifted.push_back(banned.first);
    for (const Prefix& prefix : lifted) {
        if (auto done = unban(prefix, worker); !done)
            log::error(done.error());
        else if (*done)
            spdlog::info("unbanned {}: gate.allow or gate.never_ban holds it now", prefix.text());
    }
}

void Banning::expire(const Now& now, const privsep::Channel& worker) {
    const std::vector<Prefix> over = list_.expire(now.boot);
    if (over.empty())
        return;
    for (const Prefix& prefix : over) {
        xdp::erase_ban(*filter_, prefix);
        privsep::Unban message;
        message.prefix = prefix;
        (void)privsep::send(worker, message);
    }
    xdp::set_ban_counts(*filter_, list_);
    // The kernel ends the elements of addresses by itself.
    if (in_nftables() && std::any_of(over.begin(), over.end(), [](const Prefix& p) { return !p.is_single(); })) {
        nft::Transaction transaction;
        write_networks(transaction);
        (void)socket_.commit(std::move(transaction));
    }
}

} // namespace xk
