// SPDX-License-Identifier: MIT
#include "daemon/authz/state.h"

#include "daemon/authz/lockout.h"
#include "protocol/otp.h"

#include <sodium.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <optional>
#include <unordered_set>
#include <vector>

namespace xk::authz {
namespace {

// What the wall clock may gain on boot time between two looks, half a minute at most, without having been set: a clock
// that is slewed gains a fraction of it (adjtimex(2): 500 ppm).
constexpr std::chrono::microseconds kSlewed{std::chrono::seconds(1)};

// No clock shows a later one; a copy may.
constexpr Slot kLastSlot = std::numeric_limits<std::int64_t>::max() / 1'000'000 / 30 - 1;

// SIGKILL stops a process between two instructions; what it stored before is in the page cache in program
// order. So only the compiler has to be kept from reordering.
void stores_before_are_done() { std::atomic_signal_fence(std::memory_order_seq_cst); }

std::uint64_t number_of(const wire::CredentialId& id) { return load_be<std::uint64_t>(id); }

// A used code's time and the packets that could bring it again are over after four minutes: a packet counts for as long
// as its slot and the skew, waits a minute, and its code may be a step off either way.
constexpr TotpStep kStepsKept = 8;

// A lock-out of an earlier boot goes on for what was left of it.
std::int64_t carry_over(std::int64_t locked_until, std::int64_t saved_boot, const Now& now) {
    if (locked_until == kLockedForGood || locked_until <= saved_boot)
        return locked_until == kLockedForGood ? kLockedForGood : 0;
    return now.boot.time_since_epoch().count() + (locked_until - saved_boot);
}

// A copy: header, number of credentials, number of replay entries (both std::uint64_t), the records, and
// BLAKE2b-32 over all before. Written and read on one machine, so in its own byte order.
constexpr std::size_t kChecksumSize = 32;

Bytes<kChecksumSize> checksum(ByteView bytes) {
    Bytes<kChecksumSize> sum;
    crypto_generichash(sum.data(), sum.size(), bytes.data(), bytes.size(), nullptr, 0);
    return sum;
}

template <typename T>
void append(std::string& to, const T* from, std::size_t count) {
    to.append(reinterpret_cast<const char*>(from), count * sizeof(T));
}

// Takes `count` records off the front; false when there are fewer.
template <typename T>
bool take(ByteView& from, T* to, std::size_t count) {
    if (from.size() / sizeof(T) < count)
        return false;
    if (count != 0)
        std::memcpy(static_cast<void*>(to), from.data(), count * sizeof(T));
    from = from.subspan(count * sizeof(T));
    return true;
}

struct Copy {
    StateHeader header;
    std::vector<CredentialState> credentials;
    std::vector<ReplayEntry> replay;
};

std::optional<Copy> parse_copy(ByteView bytes) {
    if (bytes.size() < kChecksumSize)
        return std::nullopt;
    const ByteView sum = bytes.last(kChecksumSize);
    bytes = bytes.first(bytes.size() - kChecksumSize);
    Copy copy;
    std::uint64_t counts[2];
    if (!std::ranges::equal(checksum(bytes), sum) || !take(bytes, &copy.header, 1) ||
        copy.header.magic != kStateMagic || !take(bytes, counts, 2) || counts[0] > kCredentialStates ||
        counts[1] > kMostReplayEntries)
        return std::nullopt;
    copy.credentials.resize(counts[0]);
    copy.replay.resize(counts[1]);
    if (!take(bytes, copy.credentials.data(), counts[0]) || !take(bytes, copy.replay.data(), counts[1]) ||
        !bytes.empty())
        return std::nullopt;
    return copy;
}

} // namespace

bool is_clean_copy(ByteView copy) {
    const auto parsed = parse_copy(copy);
    return parsed && parsed->header.clean == 1;
}

bool is_first_copy(ByteView copy) {
    const auto parsed = parse_copy(copy);
    return parsed && all_zero(parsed->header.boot_id);
}

std::string save_state(const StateImage& image, std::span<const ReplayEntry> replay, const Now& now, bool clean) {
    StateHeader header = image.header;
    header.saved_boot = now.boot.time_since_epoch().count();
    // Before the horizon's moment of this boot has passed, what is remembered is not all that must be refused.
    header.clean = clean && header.saved_boot >= header.horizon_boot ? 1 : 0;
    // Boot time ends with the boot. By now the wall clock had time to be set right.
    if (header.clean == 1 && header.horizon_boot > 0)
        header.horizon =
            std::max(header.horizon,
                     now.wall_at(BootTime(std::chrono::nanoseconds(header.horizon_boot))).time_since_epoch().count());
    const auto credentials = static_cast<std::uint64_t>(
        std::ranges::find_if(image.credentials, [](const auto& c) { return all_zero(c.id); }) -
        image.credentials.begin());
    std::vector<ReplayEntry> kept;
    if (header.clean == 1)
        std::ranges::copy_if(replay, std::back_inserter(kept), [&](const ReplayEntry& e) {
            return e.progress != Progress::none && e.slot + kSlotsKept >= header.high_slot;
        });
    const std::uint64_t counts[2] = {credentials, kept.size()};
    std::string out;
    append(out, &header, 1);
    append(out, counts, 2);
    append(out, image.credentials.data(), credentials);
    append(out, kept.data(), kept.size());
    const auto sum = checksum({reinterpret_cast<const std::uint8_t*>(out.data()), out.size()});
    append(out, sum.data(), sum.size());
    return out;
}

State::State(std::span<std::uint8_t> memory)
    : image_(reinterpret_cast<StateImage*>(memory.data())),
      replay_(memory.size() < state_size(1)
                  ? std::span<ReplayEntry>()
                  : std::span(reinterpret_cast<ReplayEntry*>(memory.data() + sizeof(StateImage)),
                              (memory.size() - sizeof(StateImage)) / sizeof(ReplayEntry))) {
    if (replay_.entries().empty() || reinterpret_cast<std::uintptr_t>(memory.data()) % alignof(StateImage) != 0)
        std::abort();
    replay_.read(header().hash_key, header().high_slot);
    read_records();
}

void State::read_records() {
    records_.clear();
    spare_.clear();
    for (used_ = 0; used_ < kCredentialStates && !all_zero(image_->credentials[used_].id); ++used_)
        records_.try_emplace(number_of(image_->credentials[used_].id), used_);
}

bool State::is_of(const Bytes<16>& boot_id) const {
    return header().magic == kStateMagic && header().boot_id == boot_id;
}

State::Begin State::begin(const Bytes<16>& boot_id, const Now& now, std::chrono::seconds skew, ByteView copy) {
    const auto parsed = parse_copy(copy);
    StateHeader& h = header();
    // Knocks that do not fit (there was room for more of them) would count again.
    const bool clean = parsed && parsed->header.clean == 1 && parsed->replay.size() <= replay_.entries().size();
    if (parsed) {
        h = parsed->header;
        std::copy(parsed->credentials.begin(), parsed->credentials.end(), image_->credentials.begin());
        for (CredentialState& c : image_->credentials) {
            if (all_zero(c.id))
                break;
            c.locked_until = carry_over(c.locked_until, parsed->header.saved_boot, now);
            c.wrong_until = 0;
        }
    }
    // Without proof that nothing was accepted after the copy, everything that a client could have sent before
    // this moment may have been: its clock may be ahead of ours by the skew. In boot time, because the wall clock may
    // be set right only later; and because it may stay behind, all of the slots that are known to have been used.
    h.horizon_boot = 0;
    h.refused_until = now.boot.time_since_epoch().count();
    h.wall_of_boot = now.wall_at(BootTime{}).time_since_epoch().count();
    if (!clean) {
        h.horizon = std::max(h.horizon, slot_end(std::min(h.high_slot, kLastSlot)).time_since_epoch().count());
        h.horizon_boot = (now.boot + skew).time_since_epoch().count();
    }
    h.magic = 0;
    h.clean = 0;
    h.saved_boot = 0;
    h.attempts = 0;
    h.attempt = {};
    randombytes_buf(h.hash_key.data(), h.hash_key.size());
    if (clean)
        std::ranges::transform(parsed->replay, replay_.entries().begin(), [](ReplayEntry e) {
            e.progress = e.progress >= Progress::asking ? Progress::done : Progress::judged; // nothing goes on
            return e;
        });
    replay_.read(h.hash_key, h.high_slot);
    read_records();
    h.boot_id = boot_id;
    stores_before_are_done();
    h.magic = kStateMagic;
    return clean ? Begin::from_clean_copy : parsed ? Begin::from_copy : Begin::from_nothing;
}

const CredentialState* find_record(const StateImage& image, const wire::CredentialId& id) {
    // Records are taken in order, and given to others without becoming free: the first free one ends the search.
    for (const CredentialState& c : image.credentials) {
        if (c.id == id)
            return &c;
        if (all_zero(c.id))
            return nullptr;
    }
    return nullptr;
}

const CredentialState* State::find(const wire::CredentialId& id) const {
    const auto known = records_.find(number_of(id));
    return known == records_.end() ? nullptr : &image_->credentials[known->second];
}

CredentialState* State::credential(const wire::CredentialId& id) {
    if (const CredentialState* known = find(id))
        return const_cast<CredentialState*>(known);
    if (all_zero(id))
        return nullptr;
    std::uint32_t index = used_;
    if (used_ < kCredentialStates) {
        ++used_;
    } else {
        if (spare_.empty())
            return nullptr;
        index = spare_.back();
        spare_.pop_back();
        CredentialState& old = image_->credentials[index];
        records_.erase(number_of(old.id));
        CredentialState empty{};
        empty.id = old.id;
        old = empty;
        stores_before_are_done();
    }
    image_->credentials[index].id = id;
    records_.emplace(number_of(id), index);
    return &image_->credentials[index];
}

void State::give_back(std::span<const wire::CredentialId> in_use, const Now& now) {
    spare_.clear();
    if (kCredentialStates - used_ >= in_use.size()) // there are enough without them
        return;
    std::unordered_set<std::uint64_t> used;
    for (const wire::CredentialId& id : in_use)
        used.insert(number_of(id));
    for (const auto& [id, index] : records_) {
        const CredentialState& c = image_->credentials[index];
        const bool is_spent = !is_locked(c, now.boot) && c.totp_step + kStepsKept < totp_step(now.wall);
        if (is_spent && !used.contains(id))
            spare_.push_back(index);
    }
}

std::optional<std::uint32_t> State::keep(const Asked& asked) {
    const auto room = std::ranges::find_if(image_->asked, [](const Asked& a) { return a.live == 0; });
    if (room == image_->asked.end())
        return std::nullopt;
    *room = asked;
    room->live = 0;
    stores_before_are_done();
    room->live = 1;
    return static_cast<std::uint32_t>(room - image_->asked.begin());
}

void State::end_asked(std::uint32_t index, bool done) {
    Asked& asked = image_->asked[index];
    if (done)
        replay_.finish(asked.credential, asked.id);
    asked.live = 0;
}

void State::raise_high_slot(Slot slot) { header().high_slot = std::max(header().high_slot, slot); }

bool State::believes(const Now& now, std::chrono::seconds skew) const {
    const std::int64_t far = slot_end(slot_of(now.wall + skew) + 3).time_since_epoch().count();
    return slot_of(now.wall) + 3 >= header().high_slot && header().horizon <= far;
}

bool State::refuses(WallTime clock, const Now& now) const {
    const StateHeader& h = header();
    const BootTime until(std::chrono::nanoseconds(std::max(h.horizon_boot, h.refused_until)));
    return clock.time_since_epoch().count() <= h.horizon || (until > BootTime{} && clock <= now.wall_at(until));
}

void State::raise_horizon(const Now& now, std::chrono::seconds skew) {
    header().horizon_boot = std::max(header().horizon_boot, (now.boot + skew).time_since_epoch().count());
}

std::chrono::microseconds State::follow_wall_clock(const Now& now) {
    StateHeader& h = header();
    const std::int64_t offset = now.wall_at(BootTime{}).time_since_epoch().count();
    const std::chrono::microseconds forward(h.wall_of_boot == 0 ? 0 : offset - h.wall_of_boot);
    if (forward > kSlewed)
        h.refused_until = now.boot.time_since_epoch().count();
    stores_before_are_done();
    h.wall_of_boot = offset;
    return forward > kSlewed ? forward : std::chrono::microseconds(0);
}

void State::accept_clock(const Now& now, std::chrono::seconds skew) {
    header().horizon = (now.wall + skew).time_since_epoch().count();
    header().high_slot = slot_of(now.wall);
    // Codes beyond the horizon come from the time that never was.
    const std::uint64_t used = totp_step(now.wall + skew) + 1;
    for (CredentialState& c : image_->credentials) {
        if (all_zero(c.id))
            break;
        c.totp_step = std::min(c.totp_step, used);
    }
    // What was remembered of it gives way in its turn; the horizon stands in for it.
    for (ReplayEntry& e : replay_.entries())
        e.slot = std::min(e.slot, header().high_slot);
    replay_.read(header().hash_key, header().high_slot);
}

std::uint64_t State::fingerprint(ByteView bytes) const {
    Bytes<8> hash;
    crypto_shorthash(hash.data(), bytes.data(), bytes.size(), header().hash_key.data());
    return load_be<std::uint64_t>(hash);
}

std::uint32_t State::begin_attempt(const wire::Tag& tag, const wire::Mac& mac) {
    Bytes<16> record;
    std::copy(tag.begin(), tag.end(), record.begin());
    std::copy(mac.begin(), mac.end(), record.begin() + 8);
    StateHeader& h = header();
    if (h.attempt != record) {
        h.attempts = 0;
        stores_before_are_done();
        h.attempt = record;
    }
    return ++h.attempts;
}

void State::end_attempt() {
    header().attempts = 0;
    stores_before_are_done();
    header().attempt = {};
}

} // namespace xk::authz
