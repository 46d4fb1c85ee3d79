// SPDX-License-Identifier: MIT
//
// Sequences of ports in the filter's maps: which steps are there after a publication, of a daemon before us too.
#include "daemon/xdp/steps.h"

#include "pin_directory.h"

#include "bpf/abi.h"
#include "daemon/xdp/map_access.h"

#include <doctest/doctest.h>

#include <optional>
#include <set>

using namespace xk;
using test::PinDirectory;
using xdp::Map;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kSlot = 56'666'667, kNode = std::uint64_t{1} << 63;

xdp::PublishedStep step(std::uint64_t node, std::uint16_t port, std::uint64_t next, std::uint32_t place = 0,
                        std::uint64_t slot = kSlot) {
    return {.slot = slot,
            .not_before = BootTime(5s),
            .expires = BootTime(40s),
            .node = node,
            .next = next,
            .place = place,
            .port = port};
}

std::set<std::uint16_t> ports_in(xdp::Filter& filter) {
    std::set<std::uint16_t> found;
    for (const xk_step_key& key : xdp::keys_of<xk_step_key>(filter.map_fd(Map::sequence_steps)))
        found.insert(key.port);
    return found;
}

xk_step entry_of(xdp::Filter& filter, std::uint64_t node, std::uint16_t port) {
    xk_step_key key{};
    key.node = node;
    key.port = port;
    xk_step value{};
    REQUIRE(bpf_map_lookup_elem(filter.map_fd(Map::sequence_steps), &key, &value) == 0);
    return value;
}

void set_used(xdp::Filter& filter, std::uint64_t node, std::uint16_t port) {
    xk_step_key key{};
    key.node = node;
    key.port = port;
    xk_step value = entry_of(filter, node, port);
    value.used = 1;
    REQUIRE(bpf_map_update_elem(filter.map_fd(Map::sequence_steps), &key, &value, BPF_ANY) == 0);
}

xk_sequence_slot slot_entry(xdp::Filter& filter, std::uint64_t slot) {
    const auto entry = static_cast<std::uint32_t>(slot % XK_SEQUENCE_SLOTS);
    xk_sequence_slot value{};
    REQUIRE(bpf_map_lookup_elem(filter.map_fd(Map::sequence_slots), &entry, &value) == 0);
    return value;
}

} // namespace

TEST_CASE("a published step is in the map with all that the program reads, and its slot too") {
    const PinDirectory directory;
    auto filter = directory.load();
    xdp::Steps steps(filter);
    REQUIRE(steps.add({step(kSlot, 24576, kNode | 1), step(kNode | 1, 24577, 0, 7)}));
    CHECK(entry_of(filter, kSlot, 24576).next == (kNode | 1));
    const xk_step last = entry_of(filter, kNode | 1, 24577);
    CHECK(last.next == 0);
    CHECK(last.credential == 7);
    CHECK(last.used == 0);
    const xk_sequence_slot slot = slot_entry(filter, kSlot);
    CHECK(slot.slot == kSlot);
    CHECK(slot.not_before == 5'000'000'000u);
    CHECK(slot.expires == 40'000'000'000u);
}

TEST_CASE("a publication keeps what it has again as it is: used sequences and the count of the slot") {
    const PinDirectory directory;
    auto filter = directory.load();
    xdp::Steps steps(filter);
    const std::vector<xdp::PublishedStep> published = {step(kSlot, 24576, kNode | 1), step(kNode | 1, 24577, 0, 7)};
    REQUIRE(steps.add(published));
    set_used(filter, kNode | 1, 24577);
    xk_sequence_slot slot = slot_entry(filter, kSlot);
    slot.begun = 1000;
    const auto entry = static_cast<std::uint32_t>(kSlot % XK_SEQUENCE_SLOTS);
    REQUIRE(bpf_map_update_elem(filter.map_fd(Map::sequence_slots), &entry, &slot, BPF_ANY) == 0);
    steps.begin_replacement();
    auto corrected = published; // the clock was corrected a little
    for (auto& each : corrected)
        each.expires = BootTime(41s);
    REQUIRE(steps.add(corrected));
    steps.end_replacement();
    CHECK(entry_of(filter, kNode | 1, 24577).used == 1);
    CHECK(slot_entry(filter, kSlot).begun == 1000);
    CHECK(slot_entry(filter, kSlot).expires == 41'000'000'000u);
    REQUIRE(steps.add({step(kSlot + 3, 24580, kNode | 5, 7, kSlot + 3)}));
    CHECK(slot_entry(filter, kSlot).slot == kSlot + 3);
    CHECK(slot_entry(filter, kSlot).begun == 0);
}

TEST_CASE("a replacement takes away what is not published again, of a daemon before us too") {
    const PinDirectory directory;
    auto filter = directory.load();
    {
        xdp::Steps before(filter);
        REQUIRE(
            before.add({step(kSlot, 24576, kNode | 1), step(kNode | 1, 24577, 0, 7), step(kSlot, 24600, kNode | 2)}));
    }
    xdp::Steps steps(filter);
    steps.begin_replacement();
    REQUIRE(steps.add({step(kSlot, 24576, kNode | 3), step(kNode | 3, 24578, 0, 2)}));
    CHECK(ports_in(filter).size() == 4);
    steps.end_replacement();
    CHECK(ports_in(filter) == std::set<std::uint16_t>{24576, 24578});
    CHECK(entry_of(filter, kSlot, 24576).next == (kNode | 3));
    // A last step that belongs to another credential now is written, and is not used.
    set_used(filter, kNode | 3, 24578);
    steps.begin_replacement();
    REQUIRE(steps.add({step(kSlot, 24576, kNode | 3), step(kNode | 3, 24578, 0, 4)}));
    steps.end_replacement();
    CHECK(entry_of(filter, kNode | 3, 24578).credential == 4);
    CHECK(entry_of(filter, kNode | 3, 24578).used == 0);
}

TEST_CASE("a daemon that starts anew keeps the steps that it publishes again, and their mark") {
    const PinDirectory directory;
    auto filter = directory.load();
    const std::vector<xdp::PublishedStep> published = {step(kSlot, 24576, kNode | 1), step(kNode | 1, 24577, 0, 7)};
    REQUIRE(xdp::Steps(filter).add(published));
    set_used(filter, kNode | 1, 24577);
    xdp::Steps steps(filter);
    steps.begin_replacement();
    REQUIRE(steps.add(published));
    steps.end_replacement();
    CHECK(entry_of(filter, kNode | 1, 24577).used == 1);
}

TEST_CASE(
    "as many devices as may be have room at each turn of a slot, behind a step of the clock, and over a full map") {
    const PinDirectory directory;
    auto filter = directory.load();
    const auto all_of = [](std::uint64_t slot) {
        std::vector<xdp::PublishedStep> all;
        for (std::uint32_t place = 0; place < XK_MAX_SEQUENCES; ++place)
            for (std::uint16_t i = 0; i < XK_MOST_SEQUENCE_PORTS; ++i) {
                const std::uint64_t path = (slot << 20 | place << 4 | i) + 1;
                const bool is_last = i + 1 == XK_MOST_SEQUENCE_PORTS;
                all.push_back(step(kNode | (path - 1), static_cast<std::uint16_t>(24576 + i),
                                   is_last ? 0 : kNode | path, place, slot));
            }
        return all;
    };
    const auto publish = [&](xdp::Steps& steps, std::uint64_t first) {
        steps.begin_replacement();
        for (std::uint64_t slot = first; slot < first + XK_SEQUENCE_SLOTS; ++slot)
            REQUIRE(steps.add(all_of(slot)));
        steps.end_replacement();
        CHECK(xdp::keys_of<xk_step_key>(filter.map_fd(Map::sequence_steps)).size() ==
              XK_SEQUENCE_SLOTS * XK_MOST_SEQUENCE_PORTS * XK_MAX_SEQUENCES);
    };
    xdp::Steps steps(filter);
    for (std::uint64_t first = 100; first < 103; ++first)
        publish(steps, first);
    publish(steps, 9000);
    // Somebody has filled the map.
    xk_step_key key{};
    const xk_step value{};
    do
        ++key.node;
    while (bpf_map_update_elem(filter.map_fd(Map::sequence_steps), &key, &value, BPF_ANY) == 0);
    xdp::Steps next(filter);
    publish(next, 20'000);
}
