// SPDX-License-Identifier: MIT
#include "daemon/authz/state_read.h"
#include "fixtures.h"

using namespace xk;
using namespace xk::test;

namespace {

constexpr Slot kFirst = 1000;
constexpr Bytes<16> kKey = {7};

struct Knocks {
    std::vector<ReplayEntry> entries;
    ReplayMemory memory;
    std::uint64_t number = 0;

    explicit Knocks(std::size_t count = kReplayEntries) : entries(count), memory(entries) { memory.read(kKey, 0); }

    static KnockId id(std::uint64_t device, std::uint64_t number) {
        KnockId k{};
        store_be<std::uint64_t>(k.credential, device + 1);
        store_be<std::uint64_t>(field<0, 8>(std::span(k.request)), number);
        store_be<std::uint64_t>(k.mac, ~number);
        return k;
    }
    // A new knock of this device; whether it can be remembered.
    bool knock(std::uint64_t device, Slot slot) {
        return memory.remember(id(device, ++number), slot, address("192.0.2.7"), slot) != nullptr;
    }
    bool knows(std::uint64_t device, std::uint64_t n) const { return memory.find(id(device, n), {}).packet != nullptr; }
    std::size_t known() const { return entries.size() - memory.free(); }
};

// What the filter lets through of one device: 32 at once and two a second.
unsigned full_rate(unsigned slot) { return slot == 0 ? 32 + 60 : 60; }
constexpr unsigned kSlots = kSlotsKept + 1;

} // namespace

const Address kOurs = address("192.0.2.7");

TEST_CASE("a knock is remembered, found by another process, and forgotten only for something much newer") {
    Knocks k(64);
    const KnockId id = Knocks::id(0, 1);
    ReplayEntry* const entry = k.memory.remember(id, kFirst, kOurs, kFirst);
    REQUIRE(entry != nullptr);
    CHECK(entry->progress == Progress::judging);
    CHECK(k.memory.find(id, kOurs).packet == entry);
    CHECK(k.memory.find(id, kOurs).request == nullptr);
    CHECK(k.memory.find(Knocks::id(0, 2), {}).packet == nullptr);
    CHECK(k.memory.find(Knocks::id(1, 1), {}).packet == nullptr);
    entry->progress = Progress::done;
    KnockId other = id; // sealed anew
    other.mac[0] ^= 1;
    CHECK(k.memory.find(other, kOurs).packet == nullptr);
    CHECK(k.memory.find(other, kOurs).request == entry);
    CHECK(k.memory.find(other, address("192.0.2.8")).request == entry);
    CHECK(k.memory.find(other, address("2001:db8::7")).request == nullptr); // that family was not served

    ReplayMemory next(k.entries);
    next.read({9}, kFirst + kSlotsKept);
    CHECK(next.find(id, kOurs).request == entry);
    CHECK(next.held_by(id.credential) == 1);
    CHECK(next.remember(Knocks::id(1, 2), kFirst + kSlotsKept, {}, kFirst) != nullptr);
    CHECK(next.find(id, kOurs).packet == entry);
    CHECK(next.remember(Knocks::id(1, 3), kFirst + kSlotsKept + 1, {}, kFirst) != nullptr);
    CHECK(next.find(id, kOurs).packet == nullptr);
    CHECK(next.held_by(id.credential) == 0);
    CHECK(next.free() == 62);
}

TEST_CASE("of two packets of a request the one that is done counts") {
    Knocks k(64);
    KnockId first = Knocks::id(0, 1), second = first;
    second.mac[0] ^= 1;
    k.memory.remember(first, kFirst, {}, kFirst)->progress = Progress::waiting;
    ReplayEntry* const done = k.memory.remember(second, kFirst, {}, kFirst);
    done->progress = Progress::done;
    CHECK(k.memory.find(first, {}).request == done);
    CHECK(k.memory.find(first, {}).packet->progress == Progress::waiting);
    k.memory.finish(first.credential, first.request, {});
    CHECK(k.memory.find(first, {}).packet->progress == Progress::done);
}

TEST_CASE("forty devices at their full rate for as long as anything is remembered shut nobody out") {
    Knocks k;
    for (unsigned slot = 0; slot < 5 * kSlots; ++slot) {
        for (std::uint64_t device = 0; device < 40; ++device)
            for (unsigned i = 0; i < full_rate(slot); ++i)
                REQUIRE(k.knock(device, kFirst + slot));
        REQUIRE(k.knock(1000, kFirst + slot));
    }
}

TEST_CASE("ten times as many are refused themselves; whoever knocks now and then is let in all the time" *
          doctest::test_suite("long")) {
    Knocks k;
    std::size_t refused = 0;
    for (unsigned slot = 0; slot < 3 * kSlots; ++slot) {
        for (std::uint64_t device = 0; device < 400; ++device)
            for (unsigned i = 0; i < full_rate(slot); ++i)
                refused += !k.knock(device, kFirst + slot);
        // Two hundred others, each once in the time.
        for (std::uint64_t other = 0; other < 200; ++other)
            if (other % kSlots == slot % kSlots)
                REQUIRE(k.knock(1000 + other, kFirst + slot));
    }
    CHECK(refused > kReplayEntries);
    // What they hold is shared evenly: none has more than twice what another has.
    std::size_t least = SIZE_MAX, most = 0;
    for (std::uint64_t device = 0; device < 400; ++device) {
        least = std::min(least, k.memory.held_by(Knocks::id(device, 0).credential));
        most = std::max(most, k.memory.held_by(Knocks::id(device, 0).credential));
    }
    CHECK(least > 0);
    CHECK(most <= 2 * least + 16);
}

TEST_CASE("thirty thousand knocks of ten thousand devices are all remembered, and each is known again") {
    Knocks k;
    for (unsigned round = 0; round < 3; ++round)
        for (std::uint64_t device = 0; device < 10'000; ++device)
            REQUIRE(k.knock(device, kFirst + round * 6));
    CHECK(k.known() == 30'000);
    for (std::uint64_t n = 1; n <= 30'000; ++n)
        REQUIRE(k.knows((n - 1) % 10'000, n));
}

TEST_CASE("a memory that is made larger keeps what it has") {
    StateMemory memory(kFewestReplayEntries), larger(2 * kFewestReplayEntries);
    {
        State state(memory.bytes());
        state.begin_boot(kBoot, {WallTime(1'700'000'000s), BootTime(5'000s)}, 30s, nullptr);
        REQUIRE(state.replay().remember(Knocks::id(0, 1), kFirst, {}, kFirst) != nullptr);
    }
    StateContents before;
    REQUIRE(read_memory(memory.bytes(), kBoot, before) == StateFit::whole);
    State state(larger.bytes());
    REQUIRE(state.take_over(before));
    CHECK(state.is_of(kBoot));
    CHECK(state.replay().find(Knocks::id(0, 1), {}).packet != nullptr);
    CHECK(state.replay().free() == 2 * kFewestReplayEntries - 1);
}
