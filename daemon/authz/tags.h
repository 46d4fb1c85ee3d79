// SPDX-License-Identifier: MIT
//
// TagTable: the tags that count now. The filter gets the tags of every credential for the slots whose packets may
// arrive now or soon. The judge finds credential and slot of a packet by the same tags.
#pragma once

#include "protocol/keys.h"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace xk::authz {

// A client's clock may be off by `skew` either way, so a tag of slot s counts from the slot's begin - skew to its end +
// skew.
struct TagLife {
    WallTime from;
    WallTime until;
};
TagLife tag_life(Slot slot, std::chrono::seconds skew);

struct SlotRange {
    Slot first = 0;
    Slot last = 0; // inclusive
    auto operator<=>(const SlotRange&) const = default;
};

// Slots whose tags count at `now`.
SlotRange good_slots(WallTime now, std::chrono::seconds skew);

// Slots whose tags are in the filter at `now`: those that count and the next one, so that there is no gap when the
// worker wakes up late. The filter knows from when on the tags of the next slot count.
SlotRange published_slots(WallTime now, std::chrono::seconds skew);

// Whether these are the keys of an empty place. Everybody knows a key of zeros, so it must not have any tags.
bool is_nobodys(const CredentialKeys& keys);

class TagTable {
  public:
    struct Match {
        std::uint32_t credential;
        Slot slot;
    };

    // Derives the missing tags of the range and forgets those outside of it. `keys` by place; keys of zeros get no
    // tags. Takes 0.3 us for each new tag.
    void cover(SlotRange range, std::span<const CredentialKeys> keys);
    void clear() { slots_.clear(); }

    // Takes out, or puts in, the tags of these keys at one place, for all slots of the range.
    void remove(std::uint32_t place, const CredentialKeys& keys);
    void add(std::uint32_t place, const CredentialKeys& keys);

    std::optional<Match> find(const wire::Tag& tag) const;

  private:
    using Tags = std::unordered_map<std::uint64_t, std::uint32_t>; // tag as big-endian number
    std::map<Slot, Tags> slots_;
};

} // namespace xk::authz
