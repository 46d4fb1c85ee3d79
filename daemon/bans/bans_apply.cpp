// SPDX-License-Identifier: MIT
// Makes bans in book, file, filter and nftables: in all of them or in none.
#include "daemon/authz/ban_text.h"
#include "daemon/bans/bans.h"
#include "daemon/log.h"
#include "daemon/nft/ban_sets.h"
#include "daemon/nft/transaction.h"

#include <algorithm>

namespace xk {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kShortest{1}; // an event with 0 means a ban for ever

std::optional<milliseconds> time_left(const authz::Ban& ban, BootTime now) {
    if (!ban.until)
        return std::nullopt;
    return std::max(std::chrono::ceil<milliseconds>(*ban.until - now), milliseconds(1));
}

authz::Event event_of(authz::EventKind kind, const Prefix& prefix, const Now& now) {
    authz::Event event;
    event.kind = kind;
    event.at = now;
    event.prefix = prefix;
    if (prefix.is_single())
        event.address = prefix.address;
    return event;
}

} // namespace

Result<void> Bans::install(const Now& now) {
    nft::Transaction transaction;
    write(transaction, now);
    if (auto done = parts_.sets.commit(std::move(transaction)); !done)
        return std::move(done).error().within("writing the bans");
    return filter_->replace_bans(book_);
}

void Bans::write(nft::Transaction& transaction, const Now& now) const {
    if (!in_nftables())
        return;
    nft::clear_bans(transaction);
    for (const auto& [prefix, ban] : list().all())
        if (prefix.is_single())
            nft::add_banned_address(transaction, prefix.address, time_left(ban, now.boot), ban.reason);
    write_networks(transaction);
}

void Bans::write_networks(nft::Transaction& transaction) const {
    std::vector<nft::BannedNetwork> networks;
    for (const auto& [prefix, ban] : list().all())
        if (!prefix.is_single())
            networks.push_back({prefix, ban.reason, ban.until});
    nft::write_banned_networks(transaction, networks);
}

// The book is changed first, then the file: after that the next daemon makes the changes if this one ends. A ban is put
// into the filter before nftables and taken out of it afterwards, so that the filter is never laxer.
Result<Bans::Changes> Bans::apply(Changes changes, const Now& now, authz::EndCause cause) {
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
        return before;
    if (auto kept = file_.append(lines, book_); !kept)
        log::error(kept.error());
    nft::Transaction transaction;
    write_changes(transaction, before, now);
    auto done = put_into_filter(before);
    if (done)
        done = parts_.sets.commit(std::move(transaction));
    if (!done) {
        restore(before);
        return done.error();
    }
    take_from_filter(before);
    for (const auto& [prefix, was] : before)
        report_event(prefix, was, cause, now);
    return before;
}

Result<void> Bans::report_changes(const Changes& before) const {
    for (const auto& [prefix, was] : before)
        if (auto sent = report(prefix); !sent)
            return std::move(sent).error().within("telling judgement of " + prefix.text());
    return {};
}

Result<void> Bans::apply_and_report(Changes changes, const Now& now, authz::EndCause cause) {
    const auto before = apply(std::move(changes), now, cause);
    return before ? report_changes(*before) : Result<void>(before.error());
}

void Bans::write_changes(nft::Transaction& transaction, const Changes& before, const Now& now) const {
    if (!in_nftables())
        return;
    std::size_t gone = 0;
    bool networks = false;
    for (const auto& [prefix, was] : before) {
        networks |= !prefix.is_single();
        gone += prefix.is_single() && book_.claims_of(prefix).empty();
    }
    if (gone > list().addresses()) // writing the rest anew takes fewer messages
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

Result<void> Bans::put_into_filter(const Changes& before) {
    for (const auto& [prefix, was] : before) {
        if (!book_.claims_of(prefix).empty())
            if (auto done = filter_->put_ban(prefix, book_.until_for_filter(prefix)); !done)
                return done;
        if (prefix.is_single())
            continue;
        for (const Prefix& inside : book_.networks_inside(prefix))
            if (auto done = filter_->put_ban(inside, book_.until_for_filter(inside)); !done)
                return done;
    }
    return {};
}

void Bans::take_from_filter(const Changes& before) {
    for (const auto& [prefix, was] : before)
        if (book_.claims_of(prefix).empty())
            filter_->erase_ban(prefix);
    filter_->set_ban_counts(list());
}

void Bans::restore(const Changes& before) {
    for (const auto& [prefix, was] : before)
        book_.set(prefix, was);
    (void)put_into_filter(before);
    take_from_filter(before);
    if (auto done = file_.replace(book_); !done)
        log::error(done.error());
}

Result<void> Bans::report(const Prefix& prefix) const {
    const auto ban = list().all().find(prefix);
    return ban == list().all().end() ? parts_.listener.on_unbanned(prefix)
                                     : parts_.listener.on_banned(prefix, ban->second.until);
}

// A claim that changes neither the end of the ban nor the owner that is shown causes no event.
void Bans::report_event(const Prefix& prefix, const authz::BanClaims& before, authz::EndCause cause,
                        const Now& now) const {
    const auto was = authz::longest_of(before), is = authz::longest_of(book_.claims_of(prefix));
    if (was && is && was->until == is->until && was->reason == is->reason)
        return;
    authz::Event event = event_of(is ? authz::EventKind::banned : authz::EventKind::unbanned, prefix, now);
    if (is && is->until)
        event.lifetime = std::max(std::chrono::ceil<std::chrono::seconds>(*is->until - now.boot), kShortest);
    event.detail = (is ? is : was)->reason;
    if (!is)
        event.cause = cause;
    parts_.sink.on_event(event);
}

// nftables comes first, as where a ban is lifted: a source that the filter passes and that may knock is not dropped any
// more. The kernel ends the elements of addresses by itself, and those of networks never.
void Bans::expire(const Now& now) {
    const std::vector<Prefix> over = book_.expire(now.boot);
    end_networks(std::ranges::any_of(over, [](const Prefix& p) { return !p.is_single(); }));
    for (const Prefix& prefix : over) {
        filter_->erase_ban(prefix);
        authz::Event event = event_of(authz::EventKind::unbanned, prefix, now);
        event.cause = authz::EndCause::expired;
        parts_.sink.on_event(event);
        (void)report(prefix); // the loop notices a listener that is gone
    }
    if (!over.empty())
        filter_->set_ban_counts(list());
}

// Is called on every tick, so only the first of several errors is logged.
void Bans::end_networks(bool some_are_over) {
    const bool were_stale = std::exchange(networks_stale_, networks_stale_ || some_are_over);
    if (!networks_stale_ || !in_nftables())
        return;
    nft::Transaction transaction;
    write_networks(transaction);
    auto done = parts_.sets.commit(std::move(transaction));
    networks_stale_ = !done;
    if (!done && !were_stale)
        log::error(std::move(done).error().within("networks whose ban is over"));
}

} // namespace xk
