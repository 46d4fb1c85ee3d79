// SPDX-License-Identifier: MIT
//
// State: the memory of judgement, a shared mapping of a file in /run. So kill -9 loses nothing, and to remember a knock
// costs no system call. The layout is plain data. Each record becomes valid by its last store, so it is whole or absent
// wherever the process ends. state_layout.h has the layout of the file and how a release reads that of another one.
//
// It holds the knocks that were judged (replay.h), a record of each credential (CredentialState), requests that are not
// done yet (Asked), uses that wait for their admission (pending.h), and the horizon, the moment before which nothing
// can be proved to be new.
#pragma once

#include "daemon/authz/code_step.h"
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
    CodeStep code_step;         // last accepted, + 1; 0: none yet
    wire::RequestId request;    // the request that used it
    Address address;            // the address that it was for
    std::int64_t locked_until;  // boot time, ns; 0: not locked; kLockedForGood
    std::int64_t last_accepted; // wall time, us; 0: never
    Address last_address;
    std::uint32_t failures;   // wrong codes since the last right one
    std::uint32_t accepted;   // right ones, ever
    std::uint64_t wrong_code; // keyed hash of the last wrong code that counted
    std::int64_t wrong_until; // boot time, ns: until then the same one does not count again
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
    std::uint32_t clean;       // 1: it was written at the end of a clean stop (copies only)
    std::uint32_t attempts;    // how often judging the record below was begun
    Bytes<16> attempt;         // identifies the record that is being judged
    std::array<std::uint64_t, 64> rejects; // by Reject
    std::array<std::uint64_t, 8> accepted; // by Action
    std::uint64_t retries;
    std::int64_t refused_until; // boot time, ns: client clocks up to this moment of the boot are refused too, by the
                                // wall clock of the moment. Ends with the boot, so that no wrong clock outlives it
    std::int64_t wall_of_boot;  // us: the wall time of boot time 0, as it was last seen; 0: not yet
};
static_assert(kRejects <= 64);
static_assert(sizeof(StateHeader) == 672);

// An accepted knock whose pinhole is not open yet. Its record is not in the ring any more, so after a crash only this
// entry lets the next process request the pinhole again.
struct Asked {
    GrantRequest request;
    wire::CredentialId credential; // counts, not the index in the request, which a reload may have moved
    wire::RequestId id;
    std::int64_t arrived; // boot time, ns
    std::uint64_t live;   // 1: the entry is in use; stored last
};
static_assert(sizeof(Asked) == 96); // another size is another version of its section
// As for PendingUse.
bool is_sound(const Asked& asked);

inline constexpr std::size_t kCredentialStates = 65536;
inline constexpr std::size_t kMostAsked = 4096; // at a time; each waits for about a fifth of a second

// The numbers of the hellos that a credential has used (docs/protocol.md, "The handshake").
struct HelloState {
    wire::CredentialId id; // all zero: free; stored last
    std::uint64_t last;    // the highest number that was used; 0: none
};
static_assert(sizeof(HelloState) == 16);
inline constexpr std::size_t kMostHelloStates = 4096; // four times as many as may use handshakes at once
// The client sends no number that is so much above the last one that it knows to be used.
inline constexpr std::uint64_t kHelloWindow = 64;

// The entries of the replay memory follow it, as many as there is memory for.
struct StateImage {
    StateDirectory directory;
    StateHeader header;
    std::array<CredentialState, kCredentialStates> credentials;
    std::array<Asked, kMostAsked> asked;
    std::array<PendingUse, kMostPending> pending;
    std::array<HelloState, kMostHelloStates> hellos;
};
static_assert(sizeof(StateImage) % alignof(ReplayEntry) == 0);

constexpr std::size_t state_size(std::size_t replay_entries) {
    return sizeof(StateImage) + replay_entries * sizeof(ReplayEntry);
}

// The directory of a whole live file with so many entries.
StateDirectory directory_of(std::size_t replay_entries, const Bytes<16>& boot_id);

// The copy for /var/lib, which outlives a reboot: the used records, with checksums. A process that does not trust the
// image may make it: no value in the image decides what is read. Only the copy of a clean stop has the knocks that were
// judged; otherwise the horizon protects against them.
std::string save_state(const StateImage& image, std::span<const ReplayEntry> replay, const Now& now, bool clean);

// Whether these bytes are a copy that was written at the end of a clean stop.
bool is_clean_copy(ByteView copy);

// Whether it is the copy that was made together with the server's identity: no daemon has written one yet.
bool is_first_copy(ByteView copy);

// The credential's record, if it has one.
const CredentialState* find_record(const StateImage& image, const wire::CredentialId& id);

struct StateContents;
struct Policy;

// A view of the mapping, with indexes.
class State {
  public:
    // `memory` is all zero or was used before. It has state_size() bytes for at least one entry and is aligned for it.
    explicit State(std::span<std::uint8_t> memory);

    StateHeader& header() { return image_->header; }
    const StateHeader& header() const { return image_->header; }
    const StateImage& image() const { return *image_; }

    // Whether the memory was written in this boot by this layout.
    bool is_of(const Bytes<16>& boot_id) const;

    enum class Begin { from_clean_copy, from_copy, from_nothing };

    // Begins a new state for this boot, in memory that is all zero. `copy` is what read_copy() found of an earlier
    // boot; null: nothing. Client clocks up to this moment are always refused, because also after a clean stop the disk
    // may have been rolled back or cloned. Without the copy of a clean stop, client clocks up to this moment + skew are
    // refused, whatever the wall clock is set to, and those up to the end of the highest slot in the copy. Locks and
    // used codes of the copy hold in any case. No clock bounds an HOTP code, and the copy may lack the last one that
    // was used. So without the copy of a clean stop the next counter of each credential is left out too.
    Begin begin_boot(const Bytes<16>& boot_id, const Now& now, std::chrono::seconds skew, const StateContents* copy);

    // Continues, in memory that is all zero, with the state of this boot that another release wrote, or this one in a
    // file of another size. False where there is too little room; then nothing was written.
    bool take_over(const StateContents& before);

    // The credential's record; made where there is none. Null when all are taken and none can be reused.
    CredentialState* credential(const wire::CredentialId& id);
    const CredentialState* find(const wire::CredentialId& id) const;
    // When all records are taken, those of removed credentials may be reused: not while they are locked, and not while
    // a used code could still be a right one, which for HOTP is always. Call it with every configuration.
    void give_back(std::span<const wire::CredentialId> in_use, const Now& now);

    // The credential's numbers of hellos, made where there are none. Null: all places are taken by credentials of the
    // policy. Those of other credentials are reused when no place is free.
    HelloState* hellos(const wire::CredentialId& id, const Policy& policy);

    ReplayMemory& replay() { return replay_; }
    const ReplayMemory& replay() const { return replay_; }

    // Remembers a request that waits. Nothing when there is no room; then only the client's next packet can ask again.
    std::optional<std::uint32_t> keep(Asked asked);
    const Asked& asked(std::uint32_t index) const { return image_->asked[index]; }
    // If `done`, further packets of the request do nothing. If not, the request may come again.
    void end_asked(std::uint32_t index, bool done);

    // The entries for PendingUses.
    std::span<PendingUse> pending() { return image_->pending; }

    void raise_high_slot(Slot slot);
    // Whether this clock may be right: it is not behind what was accepted, and the horizon is not far ahead of it. (A
    // horizon far ahead was set by a clock that was ahead.)
    bool believes(const Now& now, std::chrono::seconds skew) const;
    // Whether a knock with this client clock cannot be told from an older one.
    // `beyond`: by so much more than the skew the clock that showed this time may have been ahead. It counts only where
    // nothing is remembered, behind an unclean end.
    bool refuses(WallTime clock, const Now& now, std::chrono::seconds beyond = std::chrono::seconds(0)) const;
    // Call it if knocks may have been accepted elsewhere, or by this machine after the snapshot that it continues from.
    // They are not remembered here, so client clocks up to this moment + skew are refused, as after a boot.
    void raise_horizon(const Now& now, std::chrono::seconds skew);
    // Call it before anything is judged by `now`. When the wall clock was set forward since the last call, this memory
    // may lack the time in between: a machine that continues from a snapshot looks like that when its clock is
    // corrected. Then client clocks up to this moment are refused. Not up to this moment + skew, because most clocks
    // are set for another reason, and the next knock must be accepted. Returns by how much the clock was set, else 0.
    std::chrono::microseconds follow_wall_clock(const Now& now);
    // The operator confirms that this clock is right, although higher slots were accepted before. The horizon moves to
    // `now` + skew, because nothing older can be proved to be new.
    void accept_clock(const Now& now, std::chrono::seconds skew);

    // A keyed hash: the same bytes give the same number in this boot, and the number does not reveal them.
    std::uint64_t fingerprint(ByteView bytes) const;

    // Returns how often the judgement of this record was begun: 1 at first, more if the process ended while judging it.
    std::uint32_t begin_attempt(const wire::Tag& tag, const wire::Mac& mac);
    void end_attempt();

  private:
    void read_records();
    void skip_hellos();
    void finish(const Bytes<16>& boot_id);

    StateImage* image_;
    ReplayMemory replay_;
    std::unordered_map<std::uint64_t, std::uint32_t> records_; // by credential
    std::uint32_t used_ = 0;                                   // the first so many records are in use
    std::vector<std::uint32_t> spare_;                         // records that may be reused
};

} // namespace xk::authz
