// SPDX-License-Identifier: MIT
// Makes changes of grants one transaction, and lets some of them wait for it.
#include "daemon/grants/grant_element.h"
#include "daemon/grants/grants.h"
#include "daemon/log.h"
#include "daemon/nft/element.h"

#include <algorithm>
#include <utility>

namespace xk {
namespace {

using authz::Holder;
using authz::PinholeChange;
using std::chrono::milliseconds;

// The kernel counts time-outs in jiffies, of 10 ms at most, and rounds up.
constexpr milliseconds kTimeoutGrain{20};

} // namespace

// A time-out begins when the kernel takes the element. So it ends later than the grant by the time that the transaction
// took. The book keeps a grant for as long, because an empty list of grants must mean that nobody gets in.
void Grants::remember_lag(BootTime since) { behind_ = std::max(behind_, clock_() - since + kTimeoutGrain); }

void Grants::expire(BootTime now) {
    book_.expire(now - behind_);
    if (book_.pinholes() == 0)
        behind_ = {};
}

const std::vector<Holder>* Grants::in_kernel(const authz::Pinhole& pinhole) const {
    if (const auto waiting = waiting_.find(pinhole); waiting != waiting_.end())
        return waiting->second.empty() ? nullptr : &waiting->second;
    const auto known = book_.all().find(pinhole);
    return known == book_.all().end() ? nullptr : &known->second;
}

// Pinholes that wait count as pinholes, and the more there are, the longer a run may be. Without the second condition a
// pause would end early because of those that wait for its end.
bool Grants::has_to_wait(BootTime now) const {
    return pace_.is_pause(now, book_.pinholes()) || (any_waiting() && now < due());
}

void Grants::let_wait(const std::vector<PinholeChange>& changes) {
    for (const PinholeChange& change : changes) {
        const auto* const known = in_kernel(change.pinhole);
        waiting_.try_emplace(change.pinhole, known != nullptr ? *known : std::vector<Holder>());
    }
    book_.enter_changes(changes);
}

void Grants::end_waiting(bool done) {
    if (waiting_.empty())
        return;
    waiting_.clear();
    on_done_(done);
}

// Every transaction also carries the pinholes that wait, as the book has them.
std::vector<PinholeChange> Grants::with_waiting(const std::vector<PinholeChange>& changes) const {
    std::vector<PinholeChange> all = changes;
    for (const auto& [pinhole, in_kernel] : waiting_) {
        if (std::ranges::find(changes, pinhole, &PinholeChange::pinhole) != changes.end())
            continue;
        const auto known = book_.all().find(pinhole);
        all.push_back({pinhole, known == book_.all().end() ? std::vector<Holder>() : known->second});
    }
    return all;
}

// The changes that take the book back to what the kernel has, for a transaction that failed.
std::vector<PinholeChange> Grants::as_in_kernel() const {
    std::vector<PinholeChange> back;
    for (const auto& [pinhole, holders] : waiting_)
        back.push_back({pinhole, holders, authz::EndCause::failed});
    return back;
}

Result<void> Grants::apply(const std::vector<PinholeChange>& changes, const Now& now) {
    const std::vector<PinholeChange> all = with_waiting(changes), back = as_in_kernel();
    const auto to_open = std::exchange(to_open_, {});
    if (all.empty())
        return {};
    nft::Transaction transaction;
    write_changes(transaction, all, now);
    for (const authz::Pinhole& pinhole : to_open)
        opening_(transaction, pinhole);
    pace_.on_transaction(now.boot, book_.pinholes());
    auto done = sets_.commit(std::move(transaction));
    remember_lag(now.boot);
    book_.enter_changes(done ? changes : back);
    if (done)
        std::ranges::for_each(to_open, opened_);
    end_waiting(done.has_value());
    return done;
}

void Grants::settle(const Now& now) {
    if (auto done = apply({}, now); !done)
        log::error(done.error());
}

void Grants::write_changes(nft::Transaction& transaction, const std::vector<PinholeChange>& changes,
                           const Now& now) const {
    for (const PinholeChange& change : changes)
        write_change(transaction, change, now);
}

void Grants::write_change(nft::Transaction& transaction, const PinholeChange& change, const Now& now) const {
    const std::vector<Holder>* const known = in_kernel(change.pinhole);
    const bool was_single = known != nullptr && authz::is_single_use(*known);
    const bool single = change.holders.empty() ? was_single : change.single_use();
    const nft::PinholeSet set = set_of(change.pinhole, single);
    nft::Element element;
    element.key = nft::key_of(set, change.pinhole);
    if (was_single != single && known != nullptr)
        nft::remove_element(transaction, set_of(change.pinhole, was_single).name, element.key);
    if (change.holders.empty()) {
        nft::remove_element(transaction, set.name, element.key);
        return;
    }
    if (guard_ != nullptr)
        guard_->admit(change.pinhole.address, change.until());
    element.timeout = std::max(std::chrono::ceil<milliseconds>(change.until() - now.boot), milliseconds(1));
    element.comment = comment_of(change.holders);
    element.data = encode_holders(change.holders);
    nft::put_element(transaction, set.name, element);
}

} // namespace xk
