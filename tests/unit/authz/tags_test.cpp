// SPDX-License-Identifier: MIT
#include "daemon/authz/tags.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::authz;
using namespace std::chrono_literals;

TEST_CASE("the good slots are those of every clock within the skew") {
    const WallTime begin = slot_begin(100);
    CHECK(good_slots(begin, 30s) == SlotRange{99, 101});
    CHECK(good_slots(begin + 29s, 30s) == SlotRange{99, 101});
    CHECK(good_slots(begin + 15s, 10s) == SlotRange{100, 100});
    CHECK(good_slots(begin + 25s, 10s) == SlotRange{100, 101});
    CHECK(good_slots(begin, 90s) == SlotRange{97, 103});
}

TEST_CASE("a tag lives exactly while its slot is good") {
    for (const auto skew : {1s, 30s, 45s, 90s}) {
        const TagLife life = tag_life(100, skew);
        const auto is_good = [&](WallTime t) {
            const SlotRange good = good_slots(t, skew);
            return good.first <= 100 && 100 <= good.last;
        };
        CHECK(is_good(life.from));
        CHECK_FALSE(is_good(life.from - 1us));
        CHECK(is_good(life.until - 1us));
        // At `until` itself the slot is still good for the client whose clock is behind by the whole skew.
        CHECK_FALSE(is_good(life.until + 1us));
    }
}

TEST_CASE("the slot that comes next is published before it begins to be good") {
    CHECK(published_slots(slot_begin(100), 30s) == SlotRange{99, 102});
}

TEST_CASE("a table finds every credential in every slot of its range and none outside") {
    std::vector<CredentialKeys> keys(3);
    for (std::size_t i = 0; i < keys.size(); ++i)
        derive_keys(keys[i], Key{static_cast<std::uint8_t>(i)}, {}, {});
    TagTable table;
    table.cover({10, 12}, keys);
    for (std::uint32_t i = 0; i < keys.size(); ++i)
        for (Slot slot = 8; slot <= 14; ++slot) {
            const auto match = table.find(gate_keys(keys[i].gate, slot).tag);
            CHECK(match.has_value() == (slot >= 10 && slot <= 12));
            if (match) {
                CHECK(match->credential == i);
                CHECK(match->slot == slot);
            }
        }
    table.cover({12, 13}, keys);
    CHECK_FALSE(table.find(gate_keys(keys[0].gate, 11).tag).has_value());
    CHECK(table.find(gate_keys(keys[0].gate, 12).tag).has_value());
    CHECK(table.find(gate_keys(keys[0].gate, 13).tag).has_value());
}
