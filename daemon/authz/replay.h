// SPDX-License-Identifier: MIT
//
// Which knocks were judged, so that none counts twice: one entry for a knock. An entry is made when a packet is judged
// and becomes that of its request when the request is used; a further packet of a request that is done needs none,
// because it does nothing. The entries are plain data in memory that outlives the process (state.h); how they are found
// is worked out anew by each process and steers nothing in there.
//
// A credential may hold no more than a sixteenth of what is free. One that floods is refused long before the memory is
// full, and only that one: N of them leave at least 1 / (1 + N/16) of all entries to the others.
#pragma once

#include "protocol/base/address.h"
#include "protocol/slot.h"
#include "protocol/wire.h"

#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

namespace xk::authz {

// How many knocks can be remembered (gate.replay_entries).
inline constexpr std::size_t kReplayEntries = 65536; // where nothing else is said
inline constexpr std::size_t kFewestReplayEntries = 4096;
inline constexpr std::size_t kMostReplayEntries = 1048576;

// What is remembered for a slot gives way only when the highest accepted slot is further on than this. Tags are
// published for slots down to highest - 3 - skew, and a record may wait a minute in the ring.
inline constexpr Slot kSlotsKept = 12;

// 1 / this of what is free is the most that one credential may hold. The filter lets 812 knocks of one through in the
// time that they are kept (32 and 2 a second), so 64 of them at their full rate fit into 65,536: (64 + 16) x 812.
inline constexpr std::size_t kShareOfFree = 16;

enum class Progress : std::uint32_t {
    none = 0,
    judging, // a process that ends here goes on with the packet
    judged,  // nothing was used: copies are replays, and the request may come in another packet
    asking,  // the request is used and being done; a process that ends here goes on
    waiting, // it is used and not done yet: another packet of it is judged again
    done,    // another packet of it does nothing
};

struct KnockId {
    wire::CredentialId credential;
    wire::RequestId request;
    wire::Mac mac; // of the packet
};

struct ReplayEntry {
    KnockId knock;
    std::uint64_t slot;
    Address address;   // whom the request is for
    Progress progress; // stored last
    std::uint32_t pad;
};
static_assert(sizeof(ReplayEntry) == 64);

class ReplayMemory {
  public:
    // `entries` are all zero, or of an earlier process.
    explicit ReplayMemory(std::span<ReplayEntry> entries) : entries_(entries) {}

    // Works out what is there; before any other use, and when entries were changed by somebody else. The index is
    // keyed, so that whoever holds a credential cannot make the searches of others long.
    void read(const Bytes<16>& key, Slot newest);

    struct Found {
        ReplayEntry* packet = nullptr;  // of this very packet
        ReplayEntry* request = nullptr; // of the packet that used the request; of more than one, that is done
    };
    Found find(const KnockId& knock) const;

    // Null when the credential's share is used up, or everything: then the packet may not be judged. `newest` is the
    // highest slot that was accepted; what is older by more than kSlotsKept is forgotten first.
    ReplayEntry* remember(const KnockId& knock, Slot slot, const Address& address, Slot newest);

    // What a request waited for has come about.
    void finish(const wire::CredentialId& credential, const wire::RequestId& request);

    std::size_t held_by(const wire::CredentialId& credential) const;
    std::size_t free() const { return free_.size(); }
    std::span<ReplayEntry> entries() const { return entries_; }

  private:
    std::uint32_t& head_of(const wire::CredentialId& credential, const wire::RequestId& request) const;
    void enter(std::uint32_t index);
    void forget_before(Slot newest);
    void leave(std::uint32_t index);

    std::span<ReplayEntry> entries_;
    Bytes<16> key_{};
    mutable std::vector<std::uint32_t> heads_; // chains of the entries whose requests have the same hash
    std::vector<std::uint32_t> next_;          // by entry
    std::vector<std::uint32_t> free_;
    std::map<Slot, std::vector<std::uint32_t>> of_slot_;
    std::unordered_map<std::uint64_t, std::uint32_t> held_; // by credential
};

} // namespace xk::authz
