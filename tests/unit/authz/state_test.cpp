// SPDX-License-Identifier: MIT
#include "fixtures.h"

#include "daemon/authz/state_read.h"
#include "protocol/otp.h"

#include <cstring>
#include <functional>
#include <set>

using namespace xk;
using namespace xk::test;

namespace {

const Now kNow{WallTime(1'700'000'000s), BootTime(5'000s)};
const Bytes<16> kNextBoot = {9};

struct Memory {
    StateMemory memory;
    State state{memory.bytes()};

    // A packet of its own for every number.
    static KnockId knock(std::uint64_t number, std::uint8_t credential = 3) {
        KnockId k{{credential}, {}, {}};
        store_be<std::uint64_t>(field<0, 8>(std::span(k.request)), number);
        store_be<std::uint64_t>(k.mac, ~number);
        return k;
    }
    ReplayEntry* remember(const KnockId& k, Slot slot = 100) {
        return state.replay().remember(k, slot, address("192.0.2.7"), state.header().high_slot);
    }
    Progress progress(const KnockId& k) const {
        const auto found = state.replay().find(k, address("192.0.2.7"));
        return found.packet == nullptr ? Progress::none : found.packet->progress;
    }
    std::string copy(const Now& now, bool clean) {
        return save_state(memory.image(), state.replay().entries(), now, clean);
    }
};

ByteView view(const std::string& s) { return {reinterpret_cast<const std::uint8_t*>(s.data()), s.size()}; }

State::Begin begin_with(State& state, const Bytes<16>& boot, const Now& now, const std::string& copy) {
    StateContents contents;
    REQUIRE(read_copy(view(copy), contents) == StateFit::whole);
    return state.begin_boot(boot, now, 30s, &contents);
}

} // namespace

TEST_CASE("memory is of the boot and the layout that wrote it") {
    Memory m;
    CHECK_FALSE(m.state.is_of(kBoot));
    CHECK(m.state.begin_boot(kBoot, kNow, 30s, nullptr) == State::Begin::from_nothing);
    CHECK(m.state.is_of(kBoot));
    CHECK_FALSE(m.state.is_of(kNextBoot));
    m.memory.image().directory.magic ^= 1;
    CHECK_FALSE(m.state.is_of(kBoot));
}

TEST_CASE("without proof the horizon is at this moment and the skew, in boot time") {
    Memory m;
    m.state.begin_boot(kBoot, kNow, 30s, nullptr);
    CHECK(m.state.header().horizon_boot == (kNow.boot + 30s).time_since_epoch().count());
}

TEST_CASE("the begin of a boot refuses what was made before it, whatever the copy says of itself") {
    Memory before;
    before.state.begin_boot(kBoot, kNow, 30s, nullptr);
    const std::string copy = before.copy({kNow.wall + 30s, kNow.boot + 30s}, true);
    // The same disk twice: what was accepted from the first copy of it is not in the second.
    for (const Now now : {Now{kNow.wall + 60s, BootTime(10s)}, Now{kNow.wall + 600s, BootTime(12s)}}) {
        Memory after;
        REQUIRE(begin_with(after.state, kNextBoot, now, copy) == State::Begin::from_clean_copy);
        CHECK(after.state.refuses(now.wall, now));
        CHECK_FALSE(after.state.refuses(now.wall + 1us, now));
    }
    // Boot time: a clock that is set right afterwards takes the moment along, and the next stop does not write it down
    // by a clock that is wrong.
    const Now wrong{kNow.wall + 86400s, BootTime(10s)}, right{kNow.wall + 60s, BootTime(10s)};
    Memory after;
    begin_with(after.state, kNextBoot, wrong, copy);
    CHECK(after.state.refuses(right.wall, right));
    CHECK_FALSE(after.state.refuses(right.wall + 1us, right));
    Memory third;
    begin_with(third.state, kBoot, right, after.copy(wrong, true));
    CHECK(third.state.believes(right, 30s));
    CHECK_FALSE(third.state.refuses(right.wall + 1us, right));
}

TEST_CASE("a wall clock that was set forward refuses what was made before, and nothing that is made after") {
    Memory m;
    m.state.begin_boot(kBoot, kNow, 30s, nullptr);
    const Now fallen{kNow.wall + 31s, kNow.boot + 31s}; // the horizon
    CHECK(m.state.follow_wall_clock(fallen) == 0s);
    CHECK_FALSE(m.state.refuses(fallen.wall - 500ms, fallen));
    // Time goes on, sleep counts in both clocks, and a clock is slewed.
    const Now slept{fallen.wall + 7200s + 1s, fallen.boot + 7200s};
    CHECK(m.state.follow_wall_clock(slept) == 0s);
    CHECK_FALSE(m.state.refuses(slept.wall - 2s, slept));
    // Set.
    const Now set{slept.wall + 5s + 1s, slept.boot + 1s};
    CHECK(m.state.follow_wall_clock(set) == 5s);
    CHECK(m.state.refuses(set.wall, set));
    CHECK_FALSE(m.state.refuses(set.wall + 1us, set));
    CHECK(m.state.follow_wall_clock(set) == 0s);
    // Backwards is not what a snapshot does, and whoever set it wrongly and then right is not kept out.
    const Now wrong{set.wall + 86400s, set.boot}, right{set.wall + 1s, set.boot + 1s};
    CHECK(m.state.follow_wall_clock(wrong) == 86400s);
    CHECK(m.state.follow_wall_clock(right) == 0s);
    CHECK_FALSE(m.state.refuses(right.wall, right));
    CHECK(m.state.believes(right, 30s));
}

TEST_CASE("a horizon that is raised refuses what may have been accepted elsewhere, for the skew") {
    Memory m;
    m.state.begin_boot(kBoot, kNow, 30s, nullptr);
    const Now later{kNow.wall + 600s, kNow.boot + 600s};
    CHECK_FALSE(m.state.refuses(later.wall - 30s, later));
    m.state.raise_horizon(later, 30s);
    CHECK(m.state.refuses(later.wall + 30s, later));
    CHECK_FALSE(m.state.refuses(later.wall + 30s + 1us, later));
    m.state.raise_horizon(later, 1s); // never lowered
    CHECK(m.state.refuses(later.wall + 30s, later));
}

TEST_CASE("the copy that is made with the identity is told from one of a daemon") {
    const auto image = std::make_unique<StateImage>();
    CHECK(is_first_copy(view(save_state(*image, {}, kNow, true))));
    Memory m;
    m.state.begin_boot(kBoot, kNow, 30s, nullptr);
    CHECK_FALSE(is_first_copy(view(m.copy(kNow, false))));
    CHECK_FALSE(is_first_copy({}));
}

TEST_CASE("after a clean stop a reboot has no horizon and no replay") {
    Memory before;
    before.state.begin_boot(kBoot, kNow, 30s, nullptr);
    before.state.header().horizon = 7;
    before.state.header().horizon_boot = 0;
    before.state.raise_high_slot(100);
    before.remember(Memory::knock(1))->progress = Progress::judging;
    before.remember(Memory::knock(2))->progress = Progress::asking;
    before.state.credential({3})->code_step = 55;
    before.state.header().rejects[3] = 12;
    const std::string copy = before.copy({kNow.wall + 30s, kNow.boot + 30s}, true);

    Memory after;
    CHECK(begin_with(after.state, kNextBoot, Now{kNow.wall + 60s, BootTime(10s)}, copy) ==
          State::Begin::from_clean_copy);
    CHECK(after.state.is_of(kNextBoot));
    CHECK(after.state.header().horizon == 7);
    CHECK(after.state.header().high_slot == 100);
    CHECK(after.state.header().rejects[3] == 12);
    CHECK(after.progress(Memory::knock(1)) == Progress::judged); // judging would let it in again
    CHECK(after.progress(Memory::knock(2)) == Progress::done);
    CHECK(after.state.find({3})->code_step == 55);
    CHECK(after.state.header().horizon_boot == 0);
}

TEST_CASE("a stop within the horizon proves nothing: the next boot has a horizon again") {
    Memory before;
    before.state.begin_boot(kBoot, kNow, 30s, nullptr);
    const auto begins = [&](BootTime stopped) {
        Memory after;
        return begin_with(after.state, kNextBoot, kNow, before.copy({kNow.wall, stopped}, true));
    };
    CHECK(begins(kNow.boot + 30s - 1ns) == State::Begin::from_copy);
    CHECK(begins(kNow.boot + 30s) == State::Begin::from_clean_copy);
}

TEST_CASE("the clock that the operator accepts takes codes of the time that never was out of the way") {
    Memory m;
    m.state.begin_boot(kBoot, kNow, 30s, nullptr);
    const std::uint64_t now = totp_step(kNow.wall);
    m.state.raise_high_slot(slot_of(kNow.wall) + 1000);
    m.state.credential({3})->code_step = now + 1000;
    m.state.credential({4})->code_step = now - 1;
    REQUIRE(m.remember(Memory::knock(1), slot_of(kNow.wall) + 1000) != nullptr);
    m.state.accept_clock(kNow, 30s);
    m.state.raise_high_slot(slot_of(kNow.wall) + kSlotsKept + 1);
    REQUIRE(m.remember(Memory::knock(2), slot_of(kNow.wall) + 1) != nullptr);
    CHECK(m.progress(Memory::knock(1)) == Progress::none); // or it would never give way
    m.state.accept_clock(kNow, 30s);
    CHECK(m.state.header().horizon == (kNow.wall + 30s).time_since_epoch().count());
    CHECK(m.state.header().high_slot == slot_of(kNow.wall));
    CHECK(m.state.find({3})->code_step == totp_step(kNow.wall + 30s) + 1);
    CHECK(m.state.find({4})->code_step == now - 1);
}

TEST_CASE("after anything else a reboot has a horizon, and used codes and lock-outs hold") {
    Memory before;
    before.state.begin_boot(kBoot, kNow, 30s, nullptr);
    before.remember(Memory::knock(1));
    CredentialState* c = before.state.credential({3});
    c->code_step = 55;
    c->failures = 9;
    c->locked_until = (kNow.boot + 100s).time_since_epoch().count();
    before.state.credential({4})->locked_until = kLockedForGood;
    before.state.credential({5})->locked_until = (kNow.boot - 1s).time_since_epoch().count();
    const std::string copy = before.copy(kNow, false);

    Memory after;
    const Now later{kNow.wall + 60s, BootTime(10s)};
    CHECK(begin_with(after.state, kNextBoot, later, copy) == State::Begin::from_copy);
    CHECK(after.state.header().horizon_boot == (later.boot + 30s).time_since_epoch().count());
    CHECK(after.state.find({3})->code_step == 55);
    CHECK(after.state.find({3})->failures == 9);
    CHECK(after.state.find({3})->locked_until == (later.boot + 100s).time_since_epoch().count());
    CHECK(after.state.find({4})->locked_until == kLockedForGood);
    CHECK(after.state.find({5})->locked_until == 0);
    CHECK(after.state.find({6}) == nullptr);
}

TEST_CASE("after a power cut no slot that was used counts, however slow the clock comes back") {
    Memory before;
    before.state.begin_boot(kBoot, kNow, 30s, nullptr);
    const Slot used = slot_of(kNow.wall) + 1;
    before.state.raise_high_slot(used);
    const std::string copy = before.copy(kNow, false);
    Memory after;
    const Now slow{kNow.wall - 60s, BootTime(10s)};
    CHECK(begin_with(after.state, kNextBoot, slow, copy) == State::Begin::from_copy);
    CHECK(after.state.header().horizon == slot_end(used).time_since_epoch().count());
    CHECK(after.state.believes(slow, 30s));
}

TEST_CASE("after a power cut a clock that was ahead, and is set right, keeps nobody out") {
    Memory before;
    before.state.begin_boot(kBoot, kNow, 30s, nullptr);
    before.state.raise_high_slot(slot_of(kNow.wall));
    Memory after;
    const Now ahead{kNow.wall + 7200s, BootTime(10s)};
    begin_with(after.state, kNextBoot, ahead, before.copy(kNow, false));
    CHECK(after.state.header().horizon == slot_end(slot_of(kNow.wall)).time_since_epoch().count());
    // Set right by now; the next stop is clean and keeps the horizon of this boot by the right clock.
    const Now right{kNow.wall + 60s, BootTime(70s)};
    Memory third;
    CHECK(begin_with(third.state, kBoot, right, after.copy(right, true)) == State::Begin::from_clean_copy);
    CHECK(third.state.header().horizon == (right.wall - 30s).time_since_epoch().count());
    CHECK(third.state.header().horizon_boot == 0);
}

TEST_CASE("a clock behind what was accepted, or far behind the horizon, is not believed") {
    Memory m;
    m.state.begin_boot(kBoot, kNow, 30s, nullptr);
    m.state.header().horizon = 0;
    CHECK(m.state.believes(kNow, 30s));
    m.state.raise_high_slot(slot_of(kNow.wall) + 3);
    CHECK(m.state.believes(kNow, 30s));
    CHECK_FALSE(m.state.believes({kNow.wall - 30s, kNow.boot}, 30s));
    m.state.header().high_slot = 0;
    m.state.header().horizon = (kNow.wall + 30s + 90s).time_since_epoch().count();
    CHECK(m.state.believes(kNow, 30s));
    m.state.header().horizon = (kNow.wall + 30s + 121s).time_since_epoch().count();
    CHECK_FALSE(m.state.believes(kNow, 30s));
    // Three slots after the one in which the skew ends, to the microsecond.
    const auto far = slot_end(slot_of(kNow.wall + 30s) + 3).time_since_epoch().count();
    m.state.header().horizon = far;
    CHECK(m.state.believes(kNow, 30s));
    m.state.header().horizon = far + 1;
    CHECK_FALSE(m.state.believes(kNow, 30s));
}

TEST_CASE("a credential's record is made once and found again") {
    Memory m;
    m.state.begin_boot(kBoot, kNow, 30s, nullptr);
    CHECK(m.state.credential({}) == nullptr); // the id of an empty place
    CredentialState* a = m.state.credential({1});
    REQUIRE(a != nullptr);
    CHECK(m.state.credential({2}) != a);
    CHECK(m.state.credential({1}) == a);
    CHECK(m.state.find({3}) == nullptr);
}

TEST_CASE("records of removed devices are given to others, but not while they protect" * doctest::test_suite("long")) {
    Memory m;
    m.state.begin_boot(kBoot, kNow, 30s, nullptr);
    const auto id_of = [](std::uint64_t number) {
        wire::CredentialId id;
        store_be<std::uint64_t>(id, number);
        return id;
    };
    const auto enrolled = [&](std::uint64_t number, const Now& now) {
        const wire::CredentialId id = id_of(number);
        m.state.give_back({&id, 1}, now);
        return m.state.credential(id);
    };
    // As many devices as there are records, one after the other, and each knocks with a code. One is locked for good.
    for (std::uint64_t i = 1; i <= kCredentialStates; ++i) {
        CredentialState* const c = enrolled(i, kNow);
        REQUIRE(c != nullptr);
        c->code_step = totp_step(kNow.wall) + 1;
        c->failures = 4;
    }
    const_cast<CredentialState*>(m.state.find(id_of(7)))->locked_until = kLockedForGood;
    // A used code could still be right: the new one is refused, and nobody else.
    CHECK(enrolled(100'000, kNow) == nullptr);
    CHECK(m.state.find(id_of(1))->code_step == totp_step(kNow.wall) + 1);
    const Now later{kNow.wall + 600s, kNow.boot + 600s};
    for (std::uint64_t first = 100'000; first < 170'000; first += 1'000) { // a thousand with each configuration
        std::vector<wire::CredentialId> ids;
        for (std::uint64_t i = first; i < first + 1'000; ++i)
            ids.push_back(id_of(i));
        m.state.give_back(ids, later);
        for (const wire::CredentialId& id : ids) {
            CredentialState* const c = m.state.credential(id);
            REQUIRE(c != nullptr);
            REQUIRE(c->code_step == 0);
            REQUIRE(c->failures == 0);
        }
    }
    REQUIRE(m.state.find(id_of(7)) != nullptr);
    CHECK(m.state.find(id_of(7))->locked_until == kLockedForGood);
    // Those in use are nobody else's, and another process finds the same.
    std::vector<wire::CredentialId> all;
    for (std::uint64_t i = 200'000; i < 200'000 + kCredentialStates - 1; ++i)
        all.push_back(id_of(i));
    m.state.give_back(all, later);
    std::set<const CredentialState*> records;
    for (const wire::CredentialId& id : all)
        records.insert(m.state.credential(id));
    CHECK(records.size() == all.size());
    CHECK_FALSE(records.contains(nullptr));
    State again(m.memory.bytes());
    CHECK(again.find(all.back()) == m.state.find(all.back()));
    CHECK(find_record(m.memory.image(), all.back()) == m.state.find(all.back()));
    CHECK(again.find(id_of(169'999)) == nullptr);
}

TEST_CASE("what is asked for and waits outlives the process, and is finished or forgotten") {
    Memory m;
    m.state.begin_boot(kBoot, kNow, 30s, nullptr);
    m.remember(Memory::knock(1))->progress = Progress::waiting;
    GrantRequest asked{};
    asked.address = address("192.0.2.7");
    const auto place = m.state.keep({asked, {3}, Memory::knock(1).request, 5, 0});
    REQUIRE(place);
    State next(m.memory.bytes());
    CHECK(next.asked(*place).live == 1);
    CHECK(next.asked(*place).id == Memory::knock(1).request);
    next.end_asked(*place, false);
    CHECK(next.asked(*place).live == 0);
    CHECK(next.replay().find(Memory::knock(1), address("192.0.2.7")).packet->progress ==
          Progress::waiting); // it may come again
    for (std::size_t i = 0; i < kMostAsked; ++i)
        REQUIRE(next.keep({asked, {3}, Memory::knock(1).request, 5, 0}));
    CHECK_FALSE(next.keep({asked, {3}, Memory::knock(1).request, 5, 0}));
    next.end_asked(9, true);
    CHECK(next.replay().find(Memory::knock(1), address("192.0.2.7")).packet->progress == Progress::done);
    CHECK(next.keep({asked, {3}, Memory::knock(1).request, 5, 0}) == 9);
}

TEST_CASE("a request that no worker can have written is none for the next one") {
    StateMemory memory(1);
    const Asked sound = {{}, {1}, {2}, 0, 0};
    REQUIRE(State(memory.bytes()).keep(sound) == 0);
    Asked& entry = memory.image().asked[0];
    CHECK(is_sound(entry));
    const std::pair<const char*, std::function<void(Asked&)>> damages[] = {
        {"a bool of two", [](Asked& a) { std::memset(&a.request.single_use, 2, 1); }},
        {"an unknown protocol", [](Asked& a) { a.request.endpoint.protocol = IpProtocol{7}; }},
        {"an arrival before the boot", [](Asked& a) { a.arrived = -1; }},
        {"a mark that is none", [](Asked& a) { a.live = 2; }},
    };
    for (const auto& [name, damage] : damages) {
        const std::string what = name;
        CAPTURE(what);
        entry = sound;
        entry.live = 1;
        CHECK(State(memory.bytes()).asked(0).live == 1);
        damage(entry);
        CHECK(State(memory.bytes()).asked(0).live == 0);
        std::memset(static_cast<void*>(&entry), 0, sizeof entry);
    }
}

TEST_CASE("a copy with more knocks than there is room for proves nothing: the horizon stands in for them") {
    Memory before;
    before.state.begin_boot(kBoot, kNow, 30s, nullptr);
    for (std::uint64_t i = 0; i < 200; ++i)
        REQUIRE(before.remember(Memory::knock(i), slot_of(kNow.wall)) != nullptr);
    before.state.raise_high_slot(slot_of(kNow.wall));
    const std::string copy = before.copy({kNow.wall + 30s, kNow.boot + 30s}, true);
    StateMemory small(199), enough(200);
    State state(small.bytes());
    CHECK(begin_with(state, kNextBoot, kNow, copy) == State::Begin::from_copy);
    CHECK(state.header().horizon_boot == (kNow.boot + 30s).time_since_epoch().count());
    State next(enough.bytes());
    CHECK(begin_with(next, kNextBoot, kNow, copy) == State::Begin::from_clean_copy);
}

TEST_CASE("the copy of a clean stop has the knocks that are remembered, and no others") {
    Memory m;
    m.state.begin_boot(kBoot, kNow, 30s, nullptr);
    REQUIRE(m.remember(Memory::knock(1), 100) != nullptr);
    REQUIRE(m.remember(Memory::knock(2), 101) != nullptr);
    m.state.raise_high_slot(101 + kSlotsKept);
    const Now after{kNow.wall + 60s, kNow.boot + 60s}; // the horizon
    StateContents contents;
    REQUIRE(read_copy(view(m.copy(after, true)), contents) == StateFit::whole);
    REQUIRE(contents.replay.size() == 1);
    CHECK(contents.replay[0].slot == 101);
    REQUIRE(read_copy(view(m.copy(after, false)), contents) == StateFit::whole);
    CHECK(contents.replay.empty());
}

TEST_CASE("attempts at one record are counted across restarts") {
    Memory m;
    m.state.begin_boot(kBoot, kNow, 30s, nullptr);
    CHECK(m.state.begin_attempt({1}, {1}) == 1);
    CHECK(m.state.begin_attempt({1}, {1}) == 2);
    CHECK(m.state.begin_attempt({1}, {2}) == 1);
    m.state.end_attempt();
    CHECK(all_zero(m.state.header().attempt));
    CHECK(m.state.begin_attempt({1}, {2}) == 1);
}
