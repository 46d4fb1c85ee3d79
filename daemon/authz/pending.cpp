// SPDX-License-Identifier: MIT
#include "daemon/authz/pending.h"

#include "daemon/authz/code_step.h"

#include <atomic>

namespace xk::authz {

bool is_sound(const PendingUse& use) {
    return use.live == 1 && is_sound(use.request) && use.action >= Action::open && use.action <= Action::probe &&
           use.slot <= kLastSlot && use.arrived >= 0 && use.arrived <= use.begun && (use.code & ~kHotpBit) <= kLastSlot;
}

PendingUses::PendingUses(std::span<PendingUse> entries) : entries_(entries) {
    for (auto i = static_cast<std::uint32_t>(entries_.size()); i-- > 0;) {
        PendingUse& use = entries_[i];
        if (!is_sound(use) || !by_token_.emplace(use.token, i).second) {
            use.live = 0; // otherwise a second entry of a token would be found at the next start
            free_.push_back(i);
            continue;
        }
        by_age_.emplace(std::pair(use.begun, i), use.token);
        ++held_[use.token.credential];
    }
}

const PendingUse* PendingUses::find_use(const UseToken& token) const {
    if (by_token_.empty()) // always with LocalAdmission
        return nullptr;
    const auto known = by_token_.find(token);
    return known == by_token_.end() ? nullptr : &entries_[known->second];
}

const PendingUse* PendingUses::begin_use(PendingUse use) {
    const auto held = held_.find(use.token.credential);
    if (free_.empty() || (held != held_.end() && held->second >= kMostPendingOfCredential))
        return nullptr;
    const std::uint32_t index = free_.back();
    free_.pop_back();
    PendingUse& entry = entries_[index];
    use.live = 0; // before it is copied: the entry must not look live while it is half there
    entry = use;
    // SIGKILL stops a process between two instructions; what it stored before is in the page cache in program order.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    entry.live = 1;
    by_token_.emplace(use.token, index);
    by_age_.emplace(std::pair(use.begun, index), use.token);
    ++held_[use.token.credential];
    return &entry;
}

void PendingUses::end_use(const UseToken& token) {
    const auto known = by_token_.find(token);
    if (known == by_token_.end())
        return;
    PendingUse& entry = entries_[known->second];
    entry.live = 0;
    by_age_.erase({entry.begun, known->second});
    if (const auto held = held_.find(token.credential); --held->second == 0)
        held_.erase(held);
    free_.push_back(known->second);
    by_token_.erase(known);
}

std::vector<UseToken> PendingUses::waiting() const {
    std::vector<UseToken> tokens;
    for (const auto& [age, token] : by_age_)
        tokens.push_back(token);
    return tokens;
}

std::vector<UseToken> PendingUses::overdue(BootTime now) const {
    std::vector<UseToken> tokens;
    for (const auto& [age, token] : by_age_)
        if (const BootTime begun(std::chrono::nanoseconds(age.first)); begun > now || begun <= now - kLongestAdmission)
            tokens.push_back(token);
    return tokens;
}

} // namespace xk::authz
