// SPDX-License-Identifier: MIT
//
// What judgement must not forget: one block of memory that is a shared mapping of a file in /run, so that
// kill -9 loses nothing and remembering costs no system call. The layout is plain data; every record
// becomes valid by its last store, so that it is whole or absent wherever the process ends. How a release reads what
// another one wrote is in state_layout.h.
//
// Five things live here: which knocks were judged (replay.h), what each credential did (CredentialState), what was
// asked for and is not done yet (Asked), what waits for its admission (pending.h), and the horizon, the moment before
// which nothing can be proved to be new.
#pragma once

#include "daemon/authz/firewall.h"
#include "daemon/authz/pending.h"
#include "daemon/authz/reject.h"
#include "daemon/authz/replay.h"
#include "daemon/authz/state_layout.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/slot.h"
#include "protocol/wire.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace xk::authz {

struct CredentialState {
    wire::CredentialId id;      // all zero: free
    std::uint64_t totp_step;    // last accepted, + 1; 0: none yet
    wire::RequestId request;    // that used it
    Address address;            // for which
    std::int64_t locked_until;  // boot time, ns; 0: not locked; kLockedForGood
    std::int64_t last_accepted; // wall time, us; 0: never
    Address last_address;
    std::uint32_t failures;   // wrong codes since the last right one
    std::uint32_t accepted;   // right ones, ever
    std::uint64_t wrong_code; // keyed hash of the last wrong code that counted
    std::int64_t wrong_until; // boot time, ns: till then the same one does not count again
};
static_assert(sizeof(CredentialState) == 104);

inline constexpr std::int64_t kLockedForGood = INT64_MAX;

struct StateHeader {
    Bytes<16> hash_key;        // of the fingerprints and of the replay memory's index; random
    std::uint64_t high_slot;   // highest slot ever accepted
    std::int64_t horizon;      // wall time, us: client clocks up to here are refused
    std::int64_t horizon_boot; // boot time, ns: likewise, and up to this moment of the boot; 0: none. The wall
                               // clock may be wrong when judgement begins, and be set right afterwards
    std::int64_t saved_boot;   // boot time, ns, at which a copy was written (copies only)
    std::uint32_t clean;       // 1: it was the last act of a clean stop (copies only)
    std::uint32_t attempts;    // how often the record below was begun
    Bytes<16> attempt;         // by what the record being judged is known again
    std::array<std::uint64_t, 64> rejects; // by Reject
    std::array<std::uint64_t, 8> accepted; // by Action
    std::uint64_t retries;
    std::int64_t refused_until; // boot time, ns: client clocks up to this moment of the boot are refused too, by the
                                // wall clock of the moment. Ends with the boot, so that no wrong clock outlives it
    std::int64_t wall_of_boot;  // us: the wall time of boot time 0, as it was last seen; 0: not yet
};
static_assert(kRejects <= 64);
static_assert(sizeof(StateHeader) == 672);

// Of an accepted knock whose pinhole is not open yet: its record is not in the ring any more, so that a process that
// ends meanwhile has only this to ask again by.
struct Asked {
    GrantRequest request;
    wire::CredentialId credential; // counts instead of the index in the request, which a reload may have moved
    wire::RequestId id;
    std::int64_t arrived; // boot time, ns
    std::uint64_t live;   // 1: this is one; stored last
};
static_assert(sizeof(Asked) == 96); // another record is another version of its section

inline constexpr std::size_t kCredentialStates = 65536;
inline constexpr std::size_t kMostAsked = 4096; // at once; they wait for a fifth of a second or so

// The replay memory's entries follow it, as many as there is memory for.
struct StateImage {
    StateDirectory directory;
    StateHeader header;
    std::array<CredentialState, kCredentialStates> credentials;
    std::array<Asked, kMostAsked> asked;
    std::array<PendingUse, kMostPending> pending;
};
static_assert(sizeof(StateImage) % alignof(ReplayEntry) == 0);

constexpr std::size_t state_size(std::size_t replay_entries) {
    return sizeof(StateImage) + replay_entries * sizeof(ReplayEntry);
}

// Of a live file with an image and so many entries; as it is when the file is whole.
StateDirectory directory_of(std::size_t replay_entries, const Bytes<16>& boot_id);

// The copy for /var/lib, which outlives a reboot: the used records only, with checksums. It may be made by a
// process that does not trust the image: nothing in it steers what is read. The knocks that were judged
// are part of it after a clean stop; otherwise the horizon stands in for them.
std::string save_state(const StateImage& image, std::span<const ReplayEntry> replay, const Now& now, bool clean);

// Whether these bytes are a copy that says of itself that it was the last act of a clean stop.
bool is_clean_copy(ByteView copy);

// Whether it is the one that was made with the server's identity: no daemon has written one yet.
bool is_first_copy(ByteView copy);

// The credential's record, if it has one.
const CredentialState* find_record(const StateImage& image, const wire::CredentialId& id);

struct StateContents;

// A view of the mapping, and the indexes of what is in there.
class State {
  public:
    // `memory` is zero-filled or was used before; state_size() bytes for at least one entry, suitably aligned.
    explicit State(std::span<std::uint8_t> memory);

    StateHeader& header() { return image_->header; }
    const StateHeader& header() const { return image_->header; }
    const StateImage& image() const { return *image_; }

    // Whether the memory was written in this boot by this layout.
    bool is_of(const Bytes<16>& boot_id) const;

    enum class Begin { from_clean_copy, from_copy, from_nothing };

    // Begins anew for this boot, in memory that is all zero. `copy` is what read_copy() found of an earlier
    // boot; null: nothing. Client clocks up to this moment are refused in any case: a
    // copy of a clean stop does not know whether the disk that it lies on was rolled back or copied since. Without
    // one, those up to this moment + skew are refused, whatever the wall clock will be set to, and so are those up to
    // the end of the highest slot that the copy knows. Lock-outs and used codes of the copy hold either way.
    Begin begin(const Bytes<16>& boot_id, const Now& now, std::chrono::seconds skew, const StateContents* copy);

    // Goes on, in memory that is all zero, with what another release remembered in this boot, or this one in a file
    // with other room: as if nothing had happened. False where there is too little room, and then nothing was written.
    bool take_over(const StateContents& before);

    // The credential's record; made where there is none. Null when all are taken and none may be given to another.
    CredentialState* credential(const wire::CredentialId& id);
    const CredentialState* find(const wire::CredentialId& id) const;
    // When all are taken, those of credentials that are not in use any more may be given to others: not while they
    // are locked, nor while a code that was used could still be a right one. To be called with every configuration.
    void give_back(std::span<const wire::CredentialId> in_use, const Now& now);

    ReplayMemory& replay() { return replay_; }
    const ReplayMemory& replay() const { return replay_; }

    // What was asked for and waits; nothing when there is no room, and then only the client's next packet can ask
    // again.
    std::optional<std::uint32_t> keep(const Asked& asked);
    const Asked& asked(std::uint32_t index) const { return image_->asked[index]; }
    // It is done: the request does nothing any more. Or it could not be: then it may come again.
    void end_asked(std::uint32_t index, bool done);

    // Uses that wait for their admission; for PendingUses.
    std::span<PendingUse> pending() { return image_->pending; }

    void raise_high_slot(Slot slot);
    // Whether this clock may be right: not behind what was accepted, and the horizon not far ahead of it (then the
    // clock was ahead when the horizon was put up, and is right now).
    bool believes(const Now& now, std::chrono::seconds skew) const;
    // Whether a client's clock is one of those that cannot be told from a knock of before.
    bool refuses(WallTime clock, const Now& now) const;
    // What was accepted elsewhere, or by this machine after the snapshot that it goes on from, is not remembered here:
    // client clocks up to this moment + skew are refused, as after a boot.
    void raise_horizon(const Now& now, std::chrono::seconds skew);
    // To be called before anything is judged by `now`. When the wall clock was set forward since the last call, time
    // may have passed that this memory knows nothing of: a machine that goes on from a snapshot looks like that as soon
    // as its clock is corrected. Client clocks up to this moment are refused then; by how much it was set is returned,
    // else 0. Not moment + skew: most clocks are set for another reason, and whoever knocks next is to get in.
    std::chrono::microseconds follow_wall_clock(const Now& now);
    // The operator says that this clock is right, although higher slots were accepted once. Nothing older than
    // now can be proved to be new then, so the horizon goes up.
    void accept_clock(const Now& now, std::chrono::seconds skew);

    // A number by which the same bytes are known again in this boot, and from which they are not found.
    std::uint64_t fingerprint(ByteView bytes) const;

    // Counts the beginnings of one record: 1 at first, more when the process ended while judging it.
    std::uint32_t begin_attempt(const wire::Tag& tag, const wire::Mac& mac);
    void end_attempt();

  private:
    void read_records();
    void finish(const Bytes<16>& boot_id);

    StateImage* image_;
    ReplayMemory replay_;
    std::unordered_map<std::uint64_t, std::uint32_t> records_; // by credential
    std::uint32_t used_ = 0;                                   // records, from the first one on
    std::vector<std::uint32_t> spare_;                         // may be given to others
};

} // namespace xk::authz
