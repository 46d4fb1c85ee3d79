// SPDX-License-Identifier: MIT
//
// Which tags count when. The filter gets the tags of every credential for the slots whose packets may
// arrive now or soon; the judge finds credential and slot of a packet by the same tags.
#pragma once

#include "protocol/keys.h"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace xk::authz {

// A client's clock may be off by `skew` either way, so a tag of slot s is good from the slot's begin - skew to
// its end + skew.
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

// Slots whose tags are good at `now`.
SlotRange good_slots(WallTime now, std::chrono::seconds skew);

// Slots to be in the filter at `now`: the good ones and the one that comes next, so that a late wake-up of
// the worker leaves no gap; its tags carry their own not-before.
SlotRange published_slots(WallTime now, std::chrono::seconds skew);

// Whether these are the keys of an empty place. Everybody has a key of zeros, so that no tag may come of it.
bool is_nobodys(const CredentialKeys& keys);

class TagTable {
  public:
    struct Match {
        std::uint32_t credential;
        Slot slot;
    };

    // Computes what is missing of the range and forgets what lies outside. `keys` by place; keys of zeros are nobody's
    // and have no tags. 0.3 us for each new tag.
    void cover(SlotRange range, std::span<const CredentialKeys> keys);
    void clear() { slots_.clear(); }

    // The tags of one place, in the slots that are covered: takes out those of these keys, or puts them in.
    void remove(std::uint32_t place, const CredentialKeys& keys);
    void add(std::uint32_t place, const CredentialKeys& keys);

    std::optional<Match> find(const wire::Tag& tag) const;

  private:
    using Tags = std::unordered_map<std::uint64_t, std::uint32_t>; // tag as big-endian number
    std::map<Slot, Tags> slots_;
};

} // namespace xk::authz
