// SPDX-License-Identifier: MIT
//
// ReplayMemory: the knocks that were judged, so that none is used twice. A knock has one entry. It is made when a
// packet is judged, and stands for the whole request when the request is used. Another packet of a request that is done
// needs no entry, because it does nothing. The entries are plain data in memory that outlives the process (state.h).
// Each process builds its own index of them.
//
// A credential may hold no more than a sixteenth of the free entries. A credential that floods is refused long before
// the memory is full, and the others are not: N such credentials leave at least 1 / (1 + N/16) of all entries to the
// others.
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

// The number of knocks that can be remembered (gate.replay_entries).
inline constexpr std::size_t kReplayEntries = 65536; // the default
inline constexpr std::size_t kFewestReplayEntries = 4096;
inline constexpr std::size_t kMostReplayEntries = 1048576;

// Entries of a slot are forgotten when the highest accepted slot is more than this above it. Tags are published for
// slots down to highest - 3 - skew, and a record may wait in the ring for a minute.
inline constexpr Slot kSlotsKept = 12;

// One credential may hold 1 / this of the free entries. The filter passes 812 knocks of one credential in the time that
// they are kept (32 and 2 a second), so 64 credentials at their full rate fit into 65,536: (64 + 16) x 812.
inline constexpr std::size_t kShareOfFree = 16;

enum class Progress : std::uint32_t {
    none = 0,
    judging, // after a crash the next process goes on with the packet
    judged,  // nothing was used: copies are replays, and the request may come in another packet
    asking,  // the request is used and being done; after a crash the next process goes on
    waiting, // the request is used and not done yet: another packet of it is judged again
    done,    // another packet of the request does nothing
};

struct KnockId {
    wire::CredentialId credential;
    wire::RequestId request;
    wire::Mac mac; // of the packet
};

struct ReplayEntry {
    KnockId knock;
    std::uint64_t slot;
    Address address;   // that the request is for
    Progress progress; // stored last
    std::uint32_t pad;
};
static_assert(sizeof(ReplayEntry) == 64);

class ReplayMemory {
  public:
    // `entries` are all zero, or were left by an earlier process.
    explicit ReplayMemory(std::span<ReplayEntry> entries) : entries_(entries) {}

    // Builds the index. Call it before everything else, and after the entries were changed from outside. It is keyed,
    // so that the holder of a credential cannot make the searches of others long.
    void read(const Bytes<16>& key, Slot newest);

    struct Found {
        ReplayEntry* packet = nullptr; // the entry of this packet
        // The entry that used the request for an address of this family; of several the one that is furthest.
        ReplayEntry* request = nullptr;
    };
    Found find(const KnockId& knock, const Address& address) const;

    // Null when the memory or the credential's share of it is full: then the packet must not be judged. `newest` is the
    // highest slot that was accepted; entries that are older by more than kSlotsKept are forgotten first.
    ReplayEntry* remember(const KnockId& knock, Slot slot, const Address& address, Slot newest);

    // Marks the request as done for this address, also in an entry that a crash left at `asking`: its record is still
    // in the ring and would be done again.
    void finish(const wire::CredentialId& credential, const wire::RequestId& request, const Address& address);

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
