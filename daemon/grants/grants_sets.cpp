// SPDX-License-Identifier: MIT
// The sets as a whole: takes them over, writes them anew, and removes foreign elements.
#include "daemon/grants/grant_element.h"
#include "daemon/grants/grants.h"
#include "daemon/log.h"
#include "daemon/nft/element.h"
#include "protocol/base/quote.h"

#include <algorithm>
#include <utility>

namespace xk {
namespace {

using authz::Holder;
using authz::PinholeChange;

// The kernel ends an element a little later than the book. An element with less time left than this belongs to a grant
// that is over.
constexpr std::chrono::milliseconds kEnding{1000};

} // namespace

std::vector<nft::PinholeSet> Grants::all_sets() const {
    if (!is_external())
        return nft::pinhole_sets(config_->ranges(), config_->has_targets());
    std::vector<nft::PinholeSet> sets(2);
    sets[0].name = {config_->external.table, config_->external.set4};
    sets[1].name = {config_->external.table, config_->external.set6};
    sets[1].v4 = false;
    return sets;
}

nft::PinholeSet Grants::set_of(const authz::Pinhole& pinhole, bool single_use) const {
    if (!is_external())
        return nft::set_of(pinhole, range_of(pinhole), single_use);
    return all_sets()[pinhole.address.is_v4() ? 0 : 1];
}

std::string Grants::comment_of(const std::vector<Holder>& holders) const {
    std::string comment;
    for (const Holder& holder : holders) {
        const std::string label = label_of(holder.credential);
        if (comment.size() + label.size() + 6 > nft::kMaxComment)
            return comment + ", ...";
        comment += (comment.empty() ? "" : ", ") + label;
    }
    return comment;
}

Result<void> Grants::adopt(const Now& now) {
    for (const nft::PinholeSet& set : all_sets()) {
        auto elements = nft::list_elements(sets_, set.name);
        if (!elements)
            return elements.error();
        for (const nft::Element& element : *elements) {
            const auto pinhole = nft::pinhole_of(set, element.key);
            std::vector<Holder> holders = decode_holders(element.data);
            if (!pinhole || holders.empty())
                continue; // no daemon wrote it
            // The earlier end counts. After a sleep it is the one in the element's data. A restart must not give more
            // time than the kernel would.
            const BootTime end = now.boot + element.expires;
            for (Holder& holder : holders) {
                holder.until = std::min(holder.until, end);
                holder.single_use = set.single_use;
            }
            book_.enter_changes({{*pinhole, holders}});
        }
    }
    return restore(now);
}

void Grants::write(nft::Transaction& transaction, const Now& now) {
    std::vector<PinholeChange> changes;
    for (const auto& [pinhole, holders] : book_.all()) {
        PinholeChange change{pinhole, holders};
        std::erase_if(change.holders, [&](const Holder& h) { return h.until <= now.boot; });
        changes.push_back(std::move(change));
    }
    write_changes(transaction, changes, now);
    for (const authz::Pinhole& pinhole : to_open_)
        opening_(transaction, pinhole);
}

// Pinholes that waited were in the transaction too, and grants that were over at `since` were not: only now is it
// certain that the kernel has closed them.
void Grants::was_written(BootTime since, bool done) {
    remember_lag(since);
    if (!done)
        return;
    book_.expire(since);
    std::ranges::for_each(std::exchange(to_open_, {}), opened_);
    end_waiting(true);
}

Result<std::vector<Grants::Stranger>> Grants::list_strangers() const {
    std::vector<Stranger> found;
    if (is_external())
        return found;
    for (const nft::PinholeSet& set : all_sets()) {
        auto elements = nft::list_elements(sets_, set.name);
        if (!elements)
            return elements.error();
        for (nft::Element& element : *elements) {
            const auto pinhole = nft::pinhole_of(set, element.key);
            // This grant is over in the book and not yet in the kernel.
            const bool ending = !decode_holders(element.data).empty() && element.expires < kEnding;
            if (ending || (pinhole && in_kernel(*pinhole) != nullptr))
                continue;
            const std::string who = pinhole ? pinhole->address.text() + " to " + text_of(*pinhole) : "an element";
            const std::string comment =
                element.comment.empty() ? "" : " (" + printable(element.comment, nft::kMaxComment) + ")";
            found.push_back({set.name, std::move(element.key), who + comment + " in set " + set.name.set});
        }
    }
    return found;
}

void Grants::expel(nft::Transaction& transaction, const std::vector<Stranger>& strangers) {
    for (const Stranger& stranger : strangers) {
        nft::remove_element(transaction, stranger.set, stranger.key);
        log::warn("{}: it belongs to no grant and is removed", stranger.text);
    }
}

Result<void> Grants::expel_strangers() {
    const auto found = list_strangers();
    if (!found)
        return found.error();
    nft::Transaction transaction;
    expel(transaction, *found);
    return sets_.commit(std::move(transaction));
}

Result<void> Grants::restore(const Now& now) {
    const auto found = list_strangers();
    if (!found)
        return found.error();
    nft::Transaction transaction;
    expel(transaction, *found);
    write(transaction, now);
    auto done = sets_.commit(std::move(transaction));
    was_written(now.boot, done.has_value());
    return done;
}

Result<std::set<authz::Pinhole>> Grants::list_pinholes(bool single_use_only) const {
    std::set<authz::Pinhole> there;
    for (const nft::PinholeSet& set : all_sets()) {
        if (single_use_only && !set.single_use)
            continue;
        auto elements = nft::list_elements(sets_, set.name);
        if (!elements)
            return elements.error();
        for (const nft::Element& element : *elements)
            if (const auto pinhole = nft::pinhole_of(set, element.key))
                there.insert(*pinhole);
    }
    return there;
}

Result<std::size_t> Grants::forget_missing() {
    const auto there = list_pinholes(false);
    if (!there)
        return there.error();
    std::set<authz::Pinhole> gone;
    for (const auto& [pinhole, holders] : book_.all())
        if (!there->contains(pinhole) && !waiting_.contains(pinhole))
            gone.insert(pinhole);
    forget(gone, authz::EndCause::by_others);
    return gone.size();
}

Result<void> Grants::forget_used() {
    std::set<authz::Pinhole> single;
    for (const auto& [pinhole, holders] : book_.all())
        if (authz::is_single_use(holders))
            single.insert(pinhole);
    if (single.empty())
        return {};
    const auto there = list_pinholes(true);
    if (!there)
        return there.error();
    std::erase_if(
        single, [&](const authz::Pinhole& pinhole) { return there->contains(pinhole) || waiting_.contains(pinhole); });
    forget(single, authz::EndCause::used);
    return {};
}

void Grants::forget(const std::set<authz::Pinhole>& pinholes, authz::EndCause cause) {
    std::vector<PinholeChange> gone;
    for (const authz::Pinhole& pinhole : pinholes)
        gone.push_back({pinhole, {}, cause});
    book_.enter_changes(gone);
}

} // namespace xk
