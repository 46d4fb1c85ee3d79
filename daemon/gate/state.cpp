// SPDX-License-Identifier: MIT
#include "daemon/gate/state.h"

#include "protocol/otp.h"

#include <sodium.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <optional>
#include <vector>

namespace xk::gate {
namespace {

constexpr std::uint32_t kPacket = 1, kRequest = 2;

// No clock shows a later one; a copy may.
constexpr Slot kLastSlot = std::numeric_limits<std::int64_t>::max() / 1'000'000 / 30 - 1;

// SIGKILL stops a process between two instructions; what it stored before is in the page cache in program
// order. So only the compiler has to be kept from reordering.
void stores_before_are_done() { std::atomic_signal_fence(std::memory_order_seq_cst); }

Bytes<24> packet_key(const wire::Tag& tag, const wire::Mac& mac) {
    Bytes<24> key{};
    std::copy(tag.begin(), tag.end(), key.begin());
    std::copy(mac.begin(), mac.end(), key.begin() + 8);
    return key;
}

Bytes<24> request_key(const wire::CredentialId& id, const wire::RequestId& request) {
    Bytes<24> key{};
    std::copy(id.begin(), id.end(), key.begin());
    std::copy(request.begin(), request.end(), key.begin() + 8);
    return key;
}

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
        copy.header.magic != kStateMagic || !take(bytes, counts, 2) ||
        counts[0] > kCredentialStates || counts[1] > kReplayEntries)
        return std::nullopt;
    copy.credentials.resize(counts[0]);
    copy.replay.resize(counts[1]);
    if (!take(bytes, copy.credentials.data(), counts[0]) ||
        !take(bytes, copy.replay.data(), counts[1]) || !bytes.empty())
        return std::nullopt;
    return copy;
}

} // namespace

bool is_clean_copy(ByteView copy) {
    const auto parsed = parse_copy(copy);
    return parsed && parsed->header.clean == 1;
}

std::string save_state(const StateImage& image, const Now& now, bool clean) {
    StateHeader header = image.header;
    header.saved_boot = now.boot.time_since_epoch().count();
    // Before the fence's moment of this boot has passed, what is remembered is not all that must be refused.
    header.clean = clean && header.saved_boot >= header.fence_boot ? 1 : 0;
    // Boot time ends with the boot. By now the wall clock had time to be set right.
    if (header.clean == 1 && header.fence_boot > 0)
        header.fence = std::max(
            header.fence,
            now.wall_at(BootTime(std::chrono::nanoseconds(header.fence_boot))).time_since_epoch().count());
    const auto credentials = static_cast<std::uint64_t>(
        std::ranges::find_if(image.credentials, [](const auto& c) { return all_zero(c.id); }) -
        image.credentials.begin());
    std::vector<ReplayEntry> replay;
    if (header.clean == 1)
        std::ranges::copy_if(image.replay, std::back_inserter(replay), [&](const ReplayEntry& e) {
            return e.progress != Progress::none && e.slot + kSlotsKept >= header.high_slot;
        });
    const std::uint64_t counts[2] = {credentials, replay.size()};
    std::string out;
    append(out, &header, 1);
    append(out, counts, 2);
    append(out, image.credentials.data(), credentials);
    append(out, replay.data(), replay.size());
    const auto sum = checksum({reinterpret_cast<const std::uint8_t*>(out.data()), out.size()});
    append(out, sum.data(), sum.size());
    return out;
}

State::State(std::span<std::uint8_t> memory) : image_(reinterpret_cast<StateImage*>(memory.data())) {
    if (memory.size() < kStateSize ||
        reinterpret_cast<std::uintptr_t>(memory.data()) % alignof(StateImage) != 0)
        std::abort();
}

bool State::is_of(const Bytes<16>& boot_id) const {
    return header().magic == kStateMagic && header().boot_id == boot_id;
}

State::Begin State::begin(const Bytes<16>& boot_id, const Now& now, std::chrono::seconds skew,
                          ByteView copy) {
    const auto parsed = parse_copy(copy);
    StateHeader& h = header();
    const bool clean = parsed && parsed->header.clean == 1;
    if (parsed) {
        h = parsed->header;
        std::copy(parsed->credentials.begin(), parsed->credentials.end(),
                  image_->credentials.begin());
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
    h.fence_boot = 0;
    if (!clean) {
        h.fence = std::max(h.fence, slot_end(std::min(h.high_slot, kLastSlot)).time_since_epoch().count());
        h.fence_boot = (now.boot + skew).time_since_epoch().count();
    }
    h.magic = 0;
    h.clean = 0;
    h.saved_boot = 0;
    h.attempts = 0;
    h.attempt = {};
    randombytes_buf(h.hash_key.data(), h.hash_key.size());
    if (clean)
        for (const ReplayEntry& e : parsed->replay)
            if (remember(e.kind, e.key, e.slot, e.address))
                find_entry(e.kind, e.key)->progress = Progress::done;
    h.boot_id = boot_id;
    stores_before_are_done();
    h.magic = kStateMagic;
    return clean ? Begin::from_clean_copy : parsed ? Begin::from_copy : Begin::from_nothing;
}

const CredentialState* find_record(const StateImage& image, const wire::CredentialId& id) {
    // Records are taken in order and never given back, so the first free one ends the search.
    for (const CredentialState& c : image.credentials) {
        if (c.id == id)
            return &c;
        if (all_zero(c.id))
            return nullptr;
    }
    return nullptr;
}

CredentialState* State::credential(const wire::CredentialId& id) {
    if (const CredentialState* known = find(id))
        return const_cast<CredentialState*>(known);
    for (CredentialState& c : image_->credentials)
        if (all_zero(c.id)) {
            c.id = id;
            return &c;
        }
    return nullptr;
}

std::span<ReplayEntry> State::set_of(std::uint32_t kind, const Key& key) const {
    // Keyed, so that whoever holds a credential cannot aim at the sets of others.
    static_assert(sizeof header().hash_key == crypto_shorthash_KEYBYTES);
    Bytes<28> input;
    store_be<std::uint32_t>(field<0, 4>(std::span(input)), kind);
    std::copy(key.begin(), key.end(), input.begin() + 4);
    constexpr std::size_t kSets = kReplayEntries / kReplayWays;
    const std::size_t set = fingerprint(input) % kSets;
    return std::span(image_->replay).subspan(set * kReplayWays, kReplayWays);
}

ReplayEntry* State::find_entry(std::uint32_t kind, const Key& key) const {
    for (ReplayEntry& e : set_of(kind, key))
        if (e.progress != Progress::none && e.kind == kind && e.key == key)
            return &e;
    return nullptr;
}

bool State::remember(std::uint32_t kind, const Key& key, Slot slot, const Address& address) {
    if (find_entry(kind, key) != nullptr)
        return true;
    const Slot newest = std::max(header().high_slot, slot);
    for (ReplayEntry& e : set_of(kind, key)) {
        if (e.progress != Progress::none && e.slot + kSlotsKept >= newest)
            continue;
        e.progress = Progress::none;
        stores_before_are_done();
        e.kind = kind;
        e.key = key;
        e.slot = slot;
        e.address = address;
        stores_before_are_done();
        e.progress = Progress::pending;
        return true;
    }
    return false;
}

State::Memory State::packet(const wire::Tag& tag, const wire::Mac& mac) const {
    const ReplayEntry* e = find_entry(kPacket, packet_key(tag, mac));
    return e == nullptr ? Memory{} : Memory{e->progress, e->address};
}

State::Memory State::request(const wire::CredentialId& id, const wire::RequestId& request) const {
    const ReplayEntry* e = find_entry(kRequest, request_key(id, request));
    return e == nullptr ? Memory{} : Memory{e->progress, e->address};
}

bool State::remember_packet(const wire::Tag& tag, const wire::Mac& mac, Slot slot,
                            const Address& source) {
    return remember(kPacket, packet_key(tag, mac), slot, source);
}

bool State::remember_request(const wire::CredentialId& id, const wire::RequestId& request, Slot slot,
                             const Address& address) {
    return remember(kRequest, request_key(id, request), slot, address);
}

void State::finish_packet(const wire::Tag& tag, const wire::Mac& mac) {
    if (ReplayEntry* e = find_entry(kPacket, packet_key(tag, mac)))
        e->progress = Progress::done;
}

void State::finish_request(const wire::CredentialId& id, const wire::RequestId& request) {
    if (ReplayEntry* e = find_entry(kRequest, request_key(id, request)))
        e->progress = Progress::done;
}

void State::raise_high_slot(Slot slot) { header().high_slot = std::max(header().high_slot, slot); }

bool State::believes(const Now& now, std::chrono::seconds skew) const {
    const std::int64_t far = slot_end(slot_of(now.wall + skew) + 3).time_since_epoch().count();
    return slot_of(now.wall) + 3 >= header().high_slot && header().fence <= far;
}

void State::accept_clock(const Now& now, std::chrono::seconds skew) {
    header().fence = (now.wall + skew).time_since_epoch().count();
    header().high_slot = slot_of(now.wall);
    // Codes beyond the fence come from the time that never was.
    const std::uint64_t used = totp_step(now.wall + skew) + 1;
    for (CredentialState& c : image_->credentials) {
        if (all_zero(c.id))
            break;
        c.totp_step = std::min(c.totp_step, used);
    }
    // What was remembered of it gives way in its turn; the fence stands in for it.
    for (ReplayEntry& e : image_->replay)
        e.slot = std::min(e.slot, header().high_slot);
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

} // namespace xk::gate
