// SPDX-License-Identifier: MIT
#include "daemon/authz/replay.h"

#include "protocol/base/bytes.h"

#include <sodium.h>

#include <algorithm>
#include <atomic>
#include <bit>

namespace xk::authz {
namespace {

constexpr std::uint32_t kEnd = UINT32_MAX;

std::uint64_t number_of_holder(const wire::CredentialId& credential) { return load_be<std::uint64_t>(credential); }

bool is_of(const ReplayEntry& entry, const wire::CredentialId& credential, const wire::RequestId& request) {
    return entry.knock.credential == credential && entry.knock.request == request;
}

} // namespace

void ReplayMemory::read(const Bytes<16>& key, Slot newest) {
    static_assert(sizeof key == crypto_shorthash_KEYBYTES);
    key_ = key;
    heads_.assign(std::bit_ceil(entries_.size()), kEnd);
    next_.assign(entries_.size(), kEnd);
    free_.clear();
    of_slot_.clear();
    held_.clear();
    for (auto i = static_cast<std::uint32_t>(entries_.size()); i-- > 0;) {
        if (entries_[i].progress > Progress::none && entries_[i].progress <= Progress::done)
            enter(i);
        else
            free_.push_back(i);
    }
    forget_before(newest);
}

std::uint32_t& ReplayMemory::head_of(const wire::CredentialId& credential, const wire::RequestId& request) const {
    Bytes<wire::kCredentialIdSize + wire::kRequestIdSize> input;
    std::copy(request.begin(), request.end(), std::copy(credential.begin(), credential.end(), input.begin()));
    Bytes<8> hash;
    crypto_shorthash(hash.data(), input.data(), input.size(), key_.data());
    return heads_[load_be<std::uint64_t>(hash) & (heads_.size() - 1)];
}

void ReplayMemory::enter(std::uint32_t index) {
    const ReplayEntry& entry = entries_[index];
    std::uint32_t& head = head_of(entry.knock.credential, entry.knock.request);
    next_[index] = head;
    head = index;
    of_slot_[entry.slot].push_back(index);
    ++held_[number_of_holder(entry.knock.credential)];
}

void ReplayMemory::leave(std::uint32_t index) {
    ReplayEntry& entry = entries_[index];
    entry.progress = Progress::none;
    std::uint32_t* at = &head_of(entry.knock.credential, entry.knock.request);
    while (*at != index)
        at = &next_[*at];
    *at = next_[index];
    if (const auto held = held_.find(number_of_holder(entry.knock.credential)); --held->second == 0)
        held_.erase(held);
    free_.push_back(index);
}

void ReplayMemory::forget_before(Slot newest) {
    while (!of_slot_.empty() && newest > kSlotsKept && of_slot_.begin()->first < newest - kSlotsKept) {
        for (const std::uint32_t index : of_slot_.begin()->second)
            leave(index);
        of_slot_.erase(of_slot_.begin());
    }
}

ReplayMemory::Found ReplayMemory::find(const KnockId& knock, const Address& address) const {
    Found found;
    for (std::uint32_t i = head_of(knock.credential, knock.request); i != kEnd; i = next_[i]) {
        ReplayEntry& entry = entries_[i];
        if (!is_of(entry, knock.credential, knock.request))
            continue;
        if (entry.knock.mac == knock.mac)
            found.packet = &entry;
        if (entry.progress >= Progress::asking && entry.address.is_v4() == address.is_v4() &&
            (found.request == nullptr || entry.progress > found.request->progress))
            found.request = &entry;
    }
    return found;
}

ReplayEntry* ReplayMemory::remember(const KnockId& knock, Slot slot, const Address& address, Slot newest) {
    forget_before(std::max(newest, slot));
    if (free_.empty() || held_by(knock.credential) * kShareOfFree >= free_.size())
        return nullptr;
    const std::uint32_t index = free_.back();
    free_.pop_back();
    ReplayEntry& entry = entries_[index];
    entry.knock = knock;
    entry.slot = slot;
    entry.address = address;
    // SIGKILL stops a process between two instructions; what it stored before is in the page cache in program order.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    entry.progress = Progress::judging;
    enter(index);
    return &entry;
}

void ReplayMemory::finish(const wire::CredentialId& credential, const wire::RequestId& request,
                          const Address& address) {
    for (std::uint32_t i = head_of(credential, request); i != kEnd; i = next_[i]) {
        ReplayEntry& entry = entries_[i];
        if (is_of(entry, credential, request) && entry.address == address && entry.progress >= Progress::asking)
            entry.progress = Progress::done;
    }
}

std::size_t ReplayMemory::held_by(const wire::CredentialId& credential) const {
    const auto held = held_.find(number_of_holder(credential));
    return held == held_.end() ? 0 : held->second;
}

} // namespace xk::authz
