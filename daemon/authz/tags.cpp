// SPDX-License-Identifier: MIT
#include "daemon/authz/tags.h"

namespace xk::authz {
namespace {

std::uint64_t tag_of(const CredentialKeys& keys, Slot slot) {
    return load_be<std::uint64_t>(slot_tag(keys.gate, slot));
}

} // namespace

TagLife tag_life(Slot slot, std::chrono::seconds skew) { return {slot_begin(slot) - skew, slot_end(slot) + skew}; }

SlotRange good_slots(WallTime now, std::chrono::seconds skew) { return {slot_of(now - skew), slot_of(now + skew)}; }

SlotRange published_slots(WallTime now, std::chrono::seconds skew) {
    const SlotRange good = good_slots(now, skew);
    return {good.first, good.last + 1};
}

void TagTable::cover(SlotRange range, std::span<const CredentialKeys> keys) {
    std::erase_if(slots_, [&](const auto& s) { return s.first < range.first || s.first > range.last; });
    for (Slot slot = range.first; slot <= range.last; ++slot) {
        const auto [place, added] = slots_.try_emplace(slot);
        if (!added)
            continue;
        place->second.reserve(keys.size());
        for (std::size_t i = 0; i < keys.size(); ++i)
            if (!is_nobodys(keys[i]))
                place->second.emplace(tag_of(keys[i], slot), static_cast<std::uint32_t>(i));
    }
}

bool is_nobodys(const CredentialKeys& keys) { return all_zero(keys.gate); }

void TagTable::remove(std::uint32_t place, const CredentialKeys& keys) {
    if (is_nobodys(keys))
        return;
    for (auto& [slot, tags] : slots_)
        if (const auto found = tags.find(tag_of(keys, slot)); found != tags.end() && found->second == place)
            tags.erase(found);
}

void TagTable::add(std::uint32_t place, const CredentialKeys& keys) {
    if (is_nobodys(keys))
        return;
    for (auto& [slot, tags] : slots_)
        tags.emplace(tag_of(keys, slot), place);
}

std::optional<TagTable::Match> TagTable::find(const wire::Tag& tag) const {
    const auto key = load_be<std::uint64_t>(tag);
    for (const auto& [slot, tags] : slots_)
        if (const auto found = tags.find(key); found != tags.end())
            return Match{found->second, slot};
    return std::nullopt;
}

} // namespace xk::authz
