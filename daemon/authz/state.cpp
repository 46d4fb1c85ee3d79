// SPDX-License-Identifier: MIT
#include "daemon/authz/state.h"

#include "daemon/authz/lockout.h"
#include "daemon/authz/policy.h"
#include "daemon/authz/state_read.h"
#include "protocol/handshake.h"
#include "protocol/otp.h"

#include <sodium.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

namespace xk::authz {
namespace {

// The wall clock counts as set when it gained more than this on boot time since the last look, which is at most half a
// minute ago. A clock that is slewed gains only a fraction of it (adjtimex(2): 500 ppm).
constexpr std::chrono::microseconds kSlewed{std::chrono::seconds(1)};

// SIGKILL stops a process between two instructions, and its stores are in the page cache in program order. So only the
// compiler must be kept from reordering them.
void stores_before_are_done() { std::atomic_signal_fence(std::memory_order_seq_cst); }

std::uint64_t number_of(const wire::CredentialId& id) { return load_be<std::uint64_t>(id); }

// After four minutes no packet can bring a used code again: a packet is valid for its slot and the skew, may wait a
// minute, and its code may be one step off either way.
constexpr TotpStep kStepsKept = 8;

// A lock of an earlier boot continues for the time that was left of it.
std::int64_t carry_over(std::int64_t locked_until, std::int64_t saved_boot, const Now& now) {
    if (locked_until == kLockedForGood || locked_until <= saved_boot)
        return locked_until == kLockedForGood ? kLockedForGood : 0;
    return now.boot.time_since_epoch().count() + (locked_until - saved_boot);
}

} // namespace

bool is_sound(const Asked& asked) { return asked.live == 1 && is_sound(asked.request) && asked.arrived >= 0; }

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
    for (Asked& asked : image_->asked)
        if (asked.live != 0 && !is_sound(asked))
            asked.live = 0;
}

bool State::is_of(const Bytes<16>& boot_id) const {
    const StateDirectory ours = directory_of(replay_.entries().size(), boot_id);
    return std::memcmp(&ours, &image_->directory, sizeof ours) == 0;
}

State::Begin State::begin_boot(const Bytes<16>& boot_id, const Now& now, std::chrono::seconds skew,
                               const StateContents* copy) {
    StateHeader& h = header();
    // Knocks that do not fit into this memory would be accepted a second time.
    const bool clean = copy != nullptr && copy->header.clean == 1 && copy->replay.size() <= replay_.entries().size();
    if (copy != nullptr) {
        h = copy->header;
        std::copy(copy->credentials.begin(), copy->credentials.end(), image_->credentials.begin());
        for (CredentialState& c : std::span(image_->credentials).first(copy->credentials.size())) {
            c.locked_until = carry_over(c.locked_until, copy->header.saved_boot, now);
            c.wrong_until = 0;
            if (!clean && is_hotp_step(c.code_step))
                ++c.code_step;
        }
        std::ranges::copy(copy->hellos, image_->hellos.begin());
        if (!clean)
            skip_hellos();
    }
    // Nothing proves that no knock was accepted after the copy. So everything is refused that a client could have sent
    // before this moment; its clock may be ahead of ours by the skew. The limit is in boot time, because the wall clock
    // may be corrected only later. Because it may also stay behind, all slots that are known to be used are refused
    // too.
    h.horizon_boot = 0;
    h.refused_until = now.boot.time_since_epoch().count();
    h.wall_of_boot = now.wall_at(BootTime{}).time_since_epoch().count();
    if (!clean) {
        h.horizon = std::max(h.horizon, slot_end(std::min(h.high_slot, kLastSlot)).time_since_epoch().count());
        h.horizon_boot = (now.boot + skew).time_since_epoch().count();
    }
    h.clean = 0;
    h.saved_boot = 0;
    h.attempts = 0;
    h.attempt = {};
    randombytes_buf(h.hash_key.data(), h.hash_key.size());
    if (clean)
        std::ranges::transform(copy->replay, replay_.entries().begin(), [](ReplayEntry e) {
            // No judgement of an earlier boot continues.
            e.progress = e.progress >= Progress::asking ? Progress::done : Progress::judged;
            return e;
        });
    finish(boot_id);
    return clean ? Begin::from_clean_copy : copy != nullptr ? Begin::from_copy : Begin::from_nothing;
}

bool State::take_over(const StateContents& before) {
    if (before.credentials.size() > kCredentialStates || before.asked.size() > kMostAsked ||
        before.pending.size() > kMostPending || before.hellos.size() > kMostHelloStates ||
        before.replay.size() > replay_.entries().size())
        return false;
    header() = before.header;
    std::ranges::copy(before.credentials, image_->credentials.begin());
    std::ranges::copy(before.asked, image_->asked.begin());
    std::ranges::copy(before.pending, image_->pending.begin());
    std::ranges::copy(before.replay, replay_.entries().begin());
    std::ranges::copy(before.hellos, image_->hellos.begin());
    finish(before.boot_id);
    return true;
}

// Writes the directory. Its last store makes the file whole.
void State::finish(const Bytes<16>& boot_id) {
    replay_.read(header().hash_key, header().high_slot);
    read_records();
    StateDirectory directory = directory_of(replay_.entries().size(), boot_id);
    const std::uint64_t magic = std::exchange(directory.magic, 0);
    image_->directory = directory;
    stores_before_are_done();
    image_->directory.magic = magic;
}

const CredentialState* find_record(const StateImage& image, const wire::CredentialId& id) {
    // Records are taken in order and reused without becoming free, so the first free one ends the search.
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
        const bool is_spent = !is_locked(c, now.boot) && c.code_step + kStepsKept < totp_step(now.wall);
        if (is_spent && !used.contains(id))
            spare_.push_back(index);
    }
}

// Hellos may have been used that this memory does not know. A client whose next number is skipped by this finds the
// window again, because it looks for it in steps of its size.
void State::skip_hellos() {
    for (HelloState& hellos : image_->hellos)
        if (!all_zero(hellos.id))
            hellos.last = std::min(hellos.last + kHelloWindow, std::uint64_t{handshake::kLastNumber});
}

HelloState* State::hellos(const wire::CredentialId& id, const Policy& policy) {
    if (all_zero(id))
        return nullptr;
    // There are few, and a hello costs two scalar multiplications anyway.
    auto found = std::ranges::find(image_->hellos, id, &HelloState::id);
    if (found != image_->hellos.end())
        return &*found;
    found = std::ranges::find_if(image_->hellos, [](const HelloState& h) { return all_zero(h.id); });
    if (found == image_->hellos.end())
        found = std::ranges::find_if(image_->hellos,
                                     [&](const HelloState& h) { return !policy.find_credential(h.id).has_value(); });
    if (found == image_->hellos.end())
        return nullptr;
    found->last = 0;
    stores_before_are_done();
    found->id = id;
    return &*found;
}

std::optional<std::uint32_t> State::keep(Asked asked) {
    const auto room = std::ranges::find_if(image_->asked, [](const Asked& a) { return a.live == 0; });
    if (room == image_->asked.end())
        return std::nullopt;
    asked.live = 0; // before it is copied: the entry must not look live while it is half there
    *room = asked;
    stores_before_are_done();
    room->live = 1;
    return static_cast<std::uint32_t>(room - image_->asked.begin());
}

void State::end_asked(std::uint32_t index, bool done) {
    Asked& asked = image_->asked[index];
    if (done)
        replay_.finish(asked.credential, asked.id, asked.request.address);
    asked.live = 0;
}

void State::raise_high_slot(Slot slot) { header().high_slot = std::max(header().high_slot, slot); }

bool State::believes(const Now& now, std::chrono::seconds skew) const {
    const std::int64_t far = slot_end(slot_of(now.wall + skew) + 3).time_since_epoch().count();
    return slot_of(now.wall) + 3 >= header().high_slot && header().horizon <= far;
}

bool State::refuses(WallTime clock, const Now& now, std::chrono::seconds beyond) const {
    const StateHeader& h = header();
    const auto is_before = [&](WallTime made, std::int64_t boot) {
        const BootTime until{std::chrono::nanoseconds(boot)};
        return until > BootTime{} && made <= now.wall_at(until);
    };
    return (clock - beyond).time_since_epoch().count() <= h.horizon || is_before(clock - beyond, h.horizon_boot) ||
           is_before(clock, h.refused_until);
}

void State::raise_horizon(const Now& now, std::chrono::seconds skew) {
    header().horizon_boot = std::max(header().horizon_boot, (now.boot + skew).time_since_epoch().count());
    skip_hellos();
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
    // Codes beyond the horizon are from a time that the wrong clock showed.
    const std::uint64_t used = totp_step(now.wall + skew) + 1;
    for (CredentialState& c : image_->credentials) {
        if (all_zero(c.id))
            break;
        if (!is_hotp_step(c.code_step))
            c.code_step = std::min(c.code_step, used);
    }
    // Entries of that time are forgotten as usual; the horizon protects against them.
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
