// SPDX-License-Identifier: MIT
//
// What judgement must not forget: one block of memory that is a shared mapping of a file in /run, so that
// kill -9 loses nothing and remembering costs no system call. The layout is plain data; every record
// becomes valid by its last store, so that it is whole or absent wherever the process ends.
//
// Three things live here: which packets and requests were accepted (Replay), what each credential did
// (CredentialState) and the fence, the moment before which nothing can be proved to be new.
#pragma once

#include "daemon/gate/reject.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/slot.h"
#include "protocol/wire.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace xk::gate {

inline constexpr std::uint64_t kStateMagic = 0x786b6e6f636b3032; // "xknock02": and the layout's version
inline constexpr std::size_t kReplayEntries = 65536;
inline constexpr std::size_t kReplayWays = 32; // entries looked at for one key

// What is remembered for a slot gives way to something new only when the highest accepted slot is further on
// than this. Tags are published for slots down to highest - 3 - skew, and a record may wait a minute in
// the ring.
inline constexpr Slot kSlotsKept = 12;

// Progress of one accepted packet or request.
enum class Progress : std::uint32_t { none = 0, pending = 1, done = 2 };

struct ReplayEntry {
    Bytes<24> key;    // packet: tag | MAC | zeros; request: credential id | request id
    std::uint64_t slot;
    Address address;  // whom it was for
    std::uint32_t kind; // 1 packet, 2 request
    Progress progress;  // stored last
};
static_assert(sizeof(ReplayEntry) == 56);

struct CredentialState {
    wire::CredentialId id;      // all zero: free
    std::uint64_t totp_step;    // last accepted, + 1; 0: none yet
    wire::RequestId request;    // that used it
    Address address;            // for which
    std::int64_t locked_until;  // boot time, ns; 0: not locked; kLockedForGood
    std::int64_t last_accepted; // wall time, us; 0: never
    Address last_address;
    std::uint32_t failures;     // wrong codes since the last right one
    std::uint32_t accepted;     // right ones, ever
    std::uint64_t wrong_code;   // keyed hash of the last wrong code that counted
    std::int64_t wrong_until;   // boot time, ns: till then the same one does not count again
};
static_assert(sizeof(CredentialState) == 104);

inline constexpr std::int64_t kLockedForGood = INT64_MAX;

struct StateHeader {
    std::uint64_t magic;
    Bytes<16> boot_id;         // of the boot whose BootTime is used here
    Bytes<16> hash_key;        // of Replay's index; random
    std::uint64_t high_slot;   // highest slot ever accepted
    std::int64_t fence;        // wall time, us: client clocks up to here are refused
    std::int64_t fence_boot;   // boot time, ns: likewise, and up to this moment of the boot; 0: none. The wall
                               // clock may be wrong when judgement begins, and be set right afterwards
    std::int64_t saved_boot;   // boot time, ns, at which a copy was written (copies only)
    std::uint32_t clean;       // 1: it was the last act of a clean stop (copies only)
    std::uint32_t attempts;    // how often the record below was begun
    Bytes<16> attempt;         // tag | MAC of the record being judged
    std::array<std::uint64_t, 64> rejects; // by Reject
    std::array<std::uint64_t, 8> accepted; // by Action
    std::uint64_t retries;
};
static_assert(kRejects <= 64);

inline constexpr std::size_t kCredentialStates = 65536;

struct StateImage {
    StateHeader header;
    std::array<CredentialState, kCredentialStates> credentials;
    std::array<ReplayEntry, kReplayEntries> replay;
};

inline constexpr std::size_t kStateSize = sizeof(StateImage);

// The copy for /var/lib, which outlives a reboot: the used records only, with a checksum. It may be made by a
// process that does not trust the image: nothing in it steers what is read. The packets that were accepted
// are part of it after a clean stop; otherwise the fence stands in for them.
std::string save_state(const StateImage& image, const Now& now, bool clean);

// Whether these bytes are a copy that says of itself that it was the last act of a clean stop.
bool is_clean_copy(ByteView copy);

// The credential's record, if it has one.
const CredentialState* find_record(const StateImage& image, const wire::CredentialId& id);

// A view of the mapping; it owns nothing.
class State {
  public:
    // `memory` is zero-filled or was used before; kStateSize bytes, suitably aligned.
    explicit State(std::span<std::uint8_t> memory);

    StateHeader& header() { return image_->header; }
    const StateHeader& header() const { return image_->header; }
    const StateImage& image() const { return *image_; }

    // Whether the memory was written in this boot by this layout.
    bool is_of(const Bytes<16>& boot_id) const;

    enum class Begin { from_clean_copy, from_copy, from_nothing };

    // Begins anew for this boot, in memory that is all zero. `copy` is what save_state() made in an earlier
    // boot, or empty, or damaged, which counts as empty. Without a copy of a clean stop, client clocks up to this
    // moment + skew are refused, whatever the wall clock will be set to, and so are those up to the end of the
    // highest slot that the copy knows. Lock-outs and used codes of the copy hold either way.
    Begin begin(const Bytes<16>& boot_id, const Now& now, std::chrono::seconds skew, ByteView copy);

    // The credential's record; made where there is none. Null when all are taken. Linear: for start-up.
    CredentialState* credential(const wire::CredentialId& id);
    const CredentialState* find(const wire::CredentialId& id) const { return find_record(*image_, id); }

    struct Memory {
        Progress progress = Progress::none;
        Address address;
    };
    Memory packet(const wire::Tag& tag, const wire::Mac& mac) const;
    Memory request(const wire::CredentialId& id, const wire::RequestId& request) const;

    // Remembers as pending. False when there is no room: then nothing may be accepted.
    bool remember_packet(const wire::Tag& tag, const wire::Mac& mac, Slot slot, const Address& source);
    bool remember_request(const wire::CredentialId& id, const wire::RequestId& request, Slot slot,
                          const Address& address);
    void finish_packet(const wire::Tag& tag, const wire::Mac& mac);
    void finish_request(const wire::CredentialId& id, const wire::RequestId& request);

    void raise_high_slot(Slot slot);
    // Whether this clock may be right: not behind what was accepted, and the fence not far ahead of it (then the clock
    // was ahead when the fence was put up, and is right now).
    bool believes(const Now& now, std::chrono::seconds skew) const;
    // The operator says that this clock is right, although higher slots were accepted once. Nothing older than
    // now can be proved to be new then, so the fence goes up.
    void accept_clock(const Now& now, std::chrono::seconds skew);

    // A number by which the same bytes are known again in this boot, and from which they are not found.
    std::uint64_t fingerprint(ByteView bytes) const;

    // Counts the beginnings of one record: 1 at first, more when the process ended while judging it.
    std::uint32_t begin_attempt(const wire::Tag& tag, const wire::Mac& mac);
    void end_attempt();

  private:
    using Key = Bytes<24>;
    std::span<ReplayEntry> set_of(std::uint32_t kind, const Key& key) const;
    ReplayEntry* find_entry(std::uint32_t kind, const Key& key) const;
    bool remember(std::uint32_t kind, const Key& key, Slot slot, const Address& address);

    StateImage* image_;
};

} // namespace xk::gate
