// SPDX-License-Identifier: MIT
// Grants that wait for the next transaction: the book has them and the kernel does not have them yet.
#include "daemon/grants/grants.h"
#include "daemon/log.h"

#include <algorithm>
#include <utility>

namespace xk {
namespace {

using authz::Holder;
using authz::PinholeChange;

} // namespace

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

// A run may be longer the more pinholes there are, and those that wait are counted too. Without the second condition
// they would end the pause for which they wait.
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

// Returns the changes that bring the book back to the state of the kernel after a failed transaction.
std::vector<PinholeChange> Grants::as_in_kernel() const {
    std::vector<PinholeChange> back;
    for (const auto& [pinhole, holders] : waiting_)
        back.push_back({pinhole, holders, authz::EndCause::failed});
    return back;
}

void Grants::settle(const Now& now) {
    if (auto done = apply({}, now); !done)
        log::error(done.error());
}

} // namespace xk
