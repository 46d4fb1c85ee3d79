// SPDX-License-Identifier: MIT
#include "court.h"

#include "protocol/otp.h"

using namespace xk;
using namespace xk::test;

namespace {

const Now kNow{WallTime(1'700'000'000s), BootTime(5'000s)};
const Bytes<16> kNextBoot = {9};

struct Memory {
    std::unique_ptr<StateImage> image = empty_image();
    State state{memory_of(*image)};
};

ByteView view(const std::string& s) { return {reinterpret_cast<const std::uint8_t*>(s.data()), s.size()}; }

} // namespace

TEST_CASE("memory is of the boot and the layout that wrote it") {
    Memory m;
    CHECK_FALSE(m.state.is_of(kBoot));
    CHECK(m.state.begin(kBoot, kNow, 30s, {}) == State::Begin::from_nothing);
    CHECK(m.state.is_of(kBoot));
    CHECK_FALSE(m.state.is_of(kNextBoot));
    m.state.header().magic ^= 1;
    CHECK_FALSE(m.state.is_of(kBoot));
}

TEST_CASE("without proof the fence is at this moment and the skew, in boot time") {
    Memory m;
    m.state.begin(kBoot, kNow, 30s, {});
    CHECK(m.state.header().fence_boot == (kNow.boot + 30s).time_since_epoch().count());
}

TEST_CASE("a packet is remembered, finished, and forgotten only for something much newer") {
    Memory m;
    m.state.begin(kBoot, kNow, 30s, {});
    const wire::Tag tag{1};
    const wire::Mac mac{2};
    const Address a = address("192.0.2.7");
    CHECK(m.state.packet(tag, mac).progress == Progress::none);
    CHECK(m.state.remember_packet(tag, mac, 100, a));
    CHECK(m.state.packet(tag, mac).progress == Progress::pending);
    CHECK(m.state.packet(tag, mac).address == a);
    m.state.finish_packet(tag, mac);
    CHECK(m.state.packet(tag, mac).progress == Progress::done);
    CHECK(m.state.remember_packet(tag, mac, 100, a)); // known: nothing is written
    CHECK(m.state.packet(tag, mac).progress == Progress::done);
    CHECK(m.state.packet(mac, tag).progress == Progress::none);
    CHECK(m.state.request({1}, {2}).progress == Progress::none);
}

TEST_CASE("old entries give way, entries of the slots that count do not") {
    Memory m;
    m.state.begin(kBoot, kNow, 30s, {});
    const auto fill = [&](Slot slot, std::uint64_t first, std::size_t count) {
        std::size_t kept = 0;
        for (std::uint64_t i = first; i < first + count; ++i) {
            wire::Tag tag;
            store_be<std::uint64_t>(tag, i);
            kept += m.state.remember_packet(tag, {}, slot, {});
        }
        return kept;
    };
    const auto known = [&](std::uint64_t first, std::size_t count) {
        std::size_t n = 0;
        for (std::uint64_t i = first; i < first + count; ++i) {
            wire::Tag tag;
            store_be<std::uint64_t>(tag, i);
            n += m.state.packet(tag, {}).progress != Progress::none;
        }
        return n;
    };
    // A quarter of the room: 8 of 32 ways on average, so that no set is full by chance (below 1e-8).
    constexpr std::size_t kFirst = kReplayEntries / 4, kSecond = 2 * kReplayEntries;
    CHECK(fill(100, 0, kFirst) == kFirst);
    // More than there is room for, within the time that counts: none of the first may be lost.
    const std::size_t second = fill(100 + kSlotsKept, 1'000'000, kSecond);
    CHECK(second <= kReplayEntries - kFirst);
    CHECK(known(0, kFirst) == kFirst);
    CHECK(known(1'000'000, kSecond) == second);
    // One slot later the first ones may go.
    CHECK(fill(101 + kSlotsKept, 2'000'000, 1000) > 900);
    CHECK(known(0, kFirst) < kFirst);
}

TEST_CASE("after a clean stop a reboot has no fence and no replay") {
    Memory before;
    before.state.begin(kBoot, kNow, 30s, {});
    before.state.header().fence = 7;
    before.state.header().fence_boot = 0;
    before.state.raise_high_slot(100);
    before.state.remember_packet({1}, {2}, 100, address("192.0.2.7"));
    before.state.remember_request({3}, {4}, 100, address("192.0.2.7"));
    before.state.credential({3})->totp_step = 55;
    before.state.header().rejects[3] = 12;
    const std::string copy = save_state(*before.image, {kNow.wall + 30s, kNow.boot + 30s}, true);

    Memory after;
    CHECK(after.state.begin(kNextBoot, {kNow.wall + 60s, BootTime(10s)}, 30s, view(copy)) ==
          State::Begin::from_clean_copy);
    CHECK(after.state.is_of(kNextBoot));
    CHECK(after.state.header().fence == 7);
    CHECK(after.state.header().high_slot == 100);
    CHECK(after.state.header().rejects[3] == 12);
    CHECK(after.state.packet({1}, {2}).progress == Progress::done); // pending would let it in again
    CHECK(after.state.request({3}, {4}).progress == Progress::done);
    CHECK(after.state.find({3})->totp_step == 55);
    CHECK(after.state.header().fence_boot == 0);
}

TEST_CASE("a stop within the fence proves nothing: the next boot has a fence again") {
    Memory before;
    before.state.begin(kBoot, kNow, 30s, {});
    const auto begins = [&](BootTime stopped) {
        Memory after;
        return after.state.begin(kNextBoot, kNow, 30s, view(save_state(*before.image, {kNow.wall, stopped}, true)));
    };
    CHECK(begins(kNow.boot + 30s - 1ns) == State::Begin::from_copy);
    CHECK(begins(kNow.boot + 30s) == State::Begin::from_clean_copy);
}

TEST_CASE("the clock that the operator accepts takes codes of the time that never was out of the way") {
    Memory m;
    m.state.begin(kBoot, kNow, 30s, {});
    const std::uint64_t now = totp_step(kNow.wall);
    m.state.raise_high_slot(slot_of(kNow.wall) + 1000);
    m.state.credential({3})->totp_step = now + 1000;
    m.state.credential({4})->totp_step = now - 1;
    REQUIRE(m.state.remember_packet({1}, {2}, slot_of(kNow.wall) + 1000, {}));
    m.state.accept_clock(kNow, 30s);
    for (const ReplayEntry& e : m.image->replay)
        CHECK_FALSE(e.slot > slot_of(kNow.wall)); // or it would never give way
    CHECK(m.state.header().fence == (kNow.wall + 30s).time_since_epoch().count());
    CHECK(m.state.header().high_slot == slot_of(kNow.wall));
    CHECK(m.state.find({3})->totp_step == totp_step(kNow.wall + 30s) + 1);
    CHECK(m.state.find({4})->totp_step == now - 1);
}

TEST_CASE("after anything else a reboot has a fence, and used codes and lock-outs hold") {
    Memory before;
    before.state.begin(kBoot, kNow, 30s, {});
    before.state.remember_packet({1}, {2}, 100, {});
    CredentialState* c = before.state.credential({3});
    c->totp_step = 55;
    c->failures = 9;
    c->locked_until = (kNow.boot + 100s).time_since_epoch().count();
    before.state.credential({4})->locked_until = kLockedForGood;
    before.state.credential({5})->locked_until = (kNow.boot - 1s).time_since_epoch().count();
    const std::string copy = save_state(*before.image, kNow, false);

    Memory after;
    const Now later{kNow.wall + 60s, BootTime(10s)};
    CHECK(after.state.begin(kNextBoot, later, 30s, view(copy)) == State::Begin::from_copy);
    CHECK(after.state.header().fence_boot == (later.boot + 30s).time_since_epoch().count());
    CHECK(after.state.find({3})->totp_step == 55);
    CHECK(after.state.find({3})->failures == 9);
    CHECK(after.state.find({3})->locked_until == (later.boot + 100s).time_since_epoch().count());
    CHECK(after.state.find({4})->locked_until == kLockedForGood);
    CHECK(after.state.find({5})->locked_until == 0);
    CHECK(after.state.find({6}) == nullptr);
}

TEST_CASE("after a power cut no slot that was used counts, however slow the clock comes back") {
    Memory before;
    before.state.begin(kBoot, kNow, 30s, {});
    const Slot used = slot_of(kNow.wall) + 1;
    before.state.raise_high_slot(used);
    const std::string copy = save_state(*before.image, kNow, false);
    Memory after;
    const Now slow{kNow.wall - 60s, BootTime(10s)};
    CHECK(after.state.begin(kNextBoot, slow, 30s, view(copy)) == State::Begin::from_copy);
    CHECK(after.state.header().fence == slot_end(used).time_since_epoch().count());
    CHECK(after.state.believes(slow, 30s));
}

TEST_CASE("after a power cut a clock that was ahead, and is set right, keeps nobody out") {
    Memory before;
    before.state.begin(kBoot, kNow, 30s, {});
    before.state.raise_high_slot(slot_of(kNow.wall));
    Memory after;
    const Now ahead{kNow.wall + 7200s, BootTime(10s)};
    after.state.begin(kNextBoot, ahead, 30s, view(save_state(*before.image, kNow, false)));
    CHECK(after.state.header().fence == slot_end(slot_of(kNow.wall)).time_since_epoch().count());
    // Set right by now; the next stop is clean and keeps the fence of this boot by the right clock.
    const Now right{kNow.wall + 60s, BootTime(70s)};
    Memory third;
    CHECK(third.state.begin(kBoot, right, 30s, view(save_state(*after.image, right, true))) ==
          State::Begin::from_clean_copy);
    CHECK(third.state.header().fence == (right.wall - 30s).time_since_epoch().count());
    CHECK(third.state.header().fence_boot == 0);
}

TEST_CASE("a clock behind what was accepted, or far behind the fence, is not believed") {
    Memory m;
    m.state.begin(kBoot, kNow, 30s, {});
    m.state.header().fence = 0;
    CHECK(m.state.believes(kNow, 30s));
    m.state.raise_high_slot(slot_of(kNow.wall) + 3);
    CHECK(m.state.believes(kNow, 30s));
    CHECK_FALSE(m.state.believes({kNow.wall - 30s, kNow.boot}, 30s));
    m.state.header().high_slot = 0;
    m.state.header().fence = (kNow.wall + 30s + 90s).time_since_epoch().count();
    CHECK(m.state.believes(kNow, 30s));
    m.state.header().fence = (kNow.wall + 30s + 121s).time_since_epoch().count();
    CHECK_FALSE(m.state.believes(kNow, 30s));
}

TEST_CASE("a damaged copy is no copy, whichever byte is wrong, and never a crash") {
    Memory before;
    before.state.begin(kBoot, kNow, 30s, {});
    before.state.credential({3})->failures = 9;
    before.state.remember_packet({1}, {2}, 100, {});
    const std::string copy = save_state(*before.image, {kNow.wall + 30s, kNow.boot + 30s}, true);
    const auto begins = [](const std::string& with) {
        static Memory m; // one image: clearing 9 MB for every byte takes too long
        std::fill_n(reinterpret_cast<std::uint8_t*>(&m.image->header), sizeof(StateHeader), std::uint8_t{0});
        return m.state.begin(kNextBoot, kNow, 30s, view(with));
    };
    CHECK(begins(copy) == State::Begin::from_clean_copy);
    for (std::size_t i = 0; i < copy.size(); ++i) {
        std::string changed = copy;
        changed[i] = static_cast<char>(changed[i] ^ 0x10);
        CHECK(begins(changed) == State::Begin::from_nothing);
    }
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{31}, std::size_t{32},
                                   copy.size() - 1})
        CHECK(begins(copy.substr(0, size)) == State::Begin::from_nothing);
    CHECK(begins(copy + "x") == State::Begin::from_nothing);
}

TEST_CASE("a credential's record is made once and found again") {
    Memory m;
    m.state.begin(kBoot, kNow, 30s, {});
    CredentialState* a = m.state.credential({1});
    REQUIRE(a != nullptr);
    CHECK(m.state.credential({2}) != a);
    CHECK(m.state.credential({1}) == a);
    CHECK(m.state.find({3}) == nullptr);
}

TEST_CASE("attempts at one record are counted across restarts") {
    Memory m;
    m.state.begin(kBoot, kNow, 30s, {});
    CHECK(m.state.begin_attempt({1}, {1}) == 1);
    CHECK(m.state.begin_attempt({1}, {1}) == 2);
    CHECK(m.state.begin_attempt({1}, {2}) == 1);
    m.state.end_attempt();
    CHECK(m.state.begin_attempt({1}, {2}) == 1);
}
