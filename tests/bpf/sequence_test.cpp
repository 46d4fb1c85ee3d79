// SPDX-License-Identifier: MIT
//
// The filter follows sequences of ports: what completes one, what resets it, what costs memory, and that no packet ends
// otherwise than without it. Random packets: trackers_test.cpp.
#include "ports.h"

#include "protocol/base/clock.h"
#include "protocol/sequence.h"

#include <algorithm>
#include <random>

using namespace xk;
using test::address;
using test::By;
using test::Filter;
using test::FrameSpec;
using test::Ports;

namespace {

constexpr Slot kSlot = Filter::kSlot;
const Ports kPorts = {24600, 25000, 32767, 24576, 30000, 31000};

void watching(xk_settings& settings) { settings.sequences = 1; }

std::uint64_t boot_now() { return static_cast<std::uint64_t>(BootClock::now().time_since_epoch().count()); }

FrameSpec to_port(std::uint16_t port, const char* source = "192.0.2.7") {
    FrameSpec spec;
    spec.source = address(source);
    spec.destination_port = port;
    return spec;
}

test::Verdict send(Filter& filter, const Ports& ports, const char* source = "192.0.2.7", By by = By::datagram) {
    return test::send_ports(filter, ports, by, source);
}

bool has(const std::vector<int>& counters, int counter) {
    return std::ranges::find(counters, counter) != counters.end();
}

Ports without_last(Ports ports) {
    ports.pop_back();
    return ports;
}

} // namespace

TEST_CASE("a sequence becomes one record, by datagrams and by SYNs, over IPv4 and IPv6") {
    for (const char* source : {"192.0.2.7", "2001:db8::7"})
        for (const By by : {By::datagram, By::syn}) {
            Filter filter(watching);
            filter.publish_sequence(kPorts, kSlot);
            const auto verdict = send(filter, kPorts, source, by);
            CHECK(verdict.counters == std::vector<int>{XK_SEQUENCE});
            REQUIRE(verdict.sequence);
            const xk_record& head = verdict.sequence->head;
            CHECK(head.kind == XK_RECORD_SEQUENCE);
            CHECK(head.version == XK_SEQUENCE_RECORD_VERSION);
            CHECK(head.length == sizeof(xk_sequence_record));
            CHECK(std::memcmp(head.source.bytes, address(source).bytes.data(), 16) == 0);
            CHECK(head.credential == Filter::kCredential);
            CHECK(head.slot == kSlot);
            CHECK(head.interface == 1);
            CHECK(head.arrived > 0);
            CHECK(head.arrived <= boot_now());
            CHECK(verdict.sequence->sent.count == kPorts.size());
            CHECK(std::equal(kPorts.begin(), kPorts.end(), verdict.sequence->sent.port));
        }
}

TEST_CASE("while the setting is off nothing is followed") {
    Filter filter;
    filter.publish_sequence(kPorts, kSlot);
    CHECK_FALSE(send(filter, kPorts).sequence);
    CHECK(filter.progress_entries() == 0);
    // Nor does anybody pay for it: its 200 instructions and more are not in the program.
    CHECK(filter.code_size() + 200 * sizeof(bpf_insn) < Filter(watching).code_size());
}

TEST_CASE("the ports may come by both protocols, with copies between them") {
    Filter filter(watching);
    filter.publish_sequence(kPorts, kSlot);
    send(filter, {24600, 24600});
    send(filter, {25000}, "192.0.2.7", By::syn);
    send(filter, {24600, 25000, 32767, 24600});
    CHECK(send(filter, {24576, 30000, 31000}).sequence);
}

TEST_CASE("a sequence is reported once in its slot, whoever sends it") {
    Filter filter(watching);
    filter.publish_sequence(kPorts, kSlot);
    CHECK(send(filter, kPorts).sequence);
    for (const char* source : {"192.0.2.7", "198.51.100.9"}) {
        const auto again = send(filter, kPorts, source);
        CHECK_FALSE(again.sequence);
        CHECK(again.counters == std::vector<int>{XK_SEEN});
    }
}

TEST_CASE("the order counts, and each source is followed by itself") {
    Filter filter(watching);
    filter.publish_sequence(kPorts, kSlot);
    CHECK_FALSE(send(filter, {25000, 24600, 32767, 24576, 30000, 31000}).sequence);
    send(filter, without_last(kPorts), "192.0.2.8");
    CHECK_FALSE(send(filter, {31000}, "192.0.2.9").sequence);
    CHECK(send(filter, {31000}, "192.0.2.8").sequence);
}

TEST_CASE("a wrong port of the range begins anew; a port outside of it does not matter") {
    Filter filter(watching);
    filter.publish_sequence(kPorts, kSlot);
    send(filter, {24600, 25000, 32767, 24576, 30000});
    send(filter, {22, 443, 24575, 32768, 65535});
    CHECK(send(filter, {31000}).sequence);

    Filter other(watching);
    other.publish_sequence(kPorts, kSlot);
    send(other, {24600, 25000, 32767, 24576, 30000, 24601});
    CHECK_FALSE(send(other, {31000}).sequence);
    CHECK(send(other, kPorts).sequence);
}

TEST_CASE("a sequence that takes more than ten seconds begins anew") {
    Filter filter(watching);
    filter.publish_sequence(kPorts, kSlot);
    send(filter, without_last(kPorts));
    filter.age_progress(XK_SEQUENCE_TIME - 1'000'000'000);
    CHECK(send(filter, {31000}).sequence);
    Filter late(watching);
    late.publish_sequence(kPorts, kSlot);
    send(late, without_last(kPorts));
    late.age_progress(XK_SEQUENCE_TIME);
    CHECK_FALSE(send(late, {31000}).sequence);
    CHECK(send(late, kPorts).sequence);
}

TEST_CASE("who was wrong eight times is not followed for the rest of the slot") {
    Filter filter(watching);
    filter.publish_sequence(kPorts, kSlot);
    for (int i = 0; i < XK_MOST_RESETS; ++i)
        send(filter, {24600, 24601});
    CHECK_FALSE(send(filter, kPorts).sequence);
    CHECK(send(filter, kPorts, "192.0.2.8").sequence);
    CHECK(filter.sequence_slot(kSlot).begun == XK_MOST_RESETS + 1);
    Ports next = {24700, 25000, 32767, 24576, 30000, 31000};
    filter.publish_sequence(next, kSlot + 1);
    CHECK(send(filter, next).sequence);
}

TEST_CASE("a source is reported when it is not followed any more, and all sources together no more than the budget") {
    Filter filter(watching);
    filter.publish_sequence(kPorts, kSlot);
    unsigned reported = 0;
    for (unsigned source = 1; source <= 3 * XK_FAILURE_BURST; ++source) {
        const std::string from = "192.0.2." + std::to_string(100 + source);
        for (int i = 1; i < XK_MOST_RESETS; ++i)
            CHECK_FALSE(send(filter, {24600, 24601}, from.c_str()).failure);
        const auto last = send(filter, {24600, 24601}, from.c_str());
        CHECK_FALSE(last.sequence);
        CHECK_FALSE(send(filter, {24600, 24601}, from.c_str()).failure); // it is told once
        if (!last.failure)
            continue;
        ++reported;
        CHECK(last.failure->head.kind == XK_RECORD_SEQUENCE);
        CHECK(last.failure->head.length == sizeof(xk_sequence_record));
        CHECK(last.failure->head.slot == 0);
        CHECK(last.failure->sent.count == 0);
        CHECK(std::memcmp(last.failure->head.source.bytes, address(from.c_str()).bytes.data(), 16) == 0);
    }
    CHECK(reported >= XK_FAILURE_BURST);
    CHECK(reported <= XK_FAILURE_BURST + 3); // seconds that this may take
}

TEST_CASE("in one slot all sources together begin a limited number of sequences") {
    Filter filter(watching);
    filter.publish_sequence(kPorts, kSlot);
    send(filter, {24600, 25000});
    filter.set_sequence_slot({kSlot, 0, ~0ull, XK_MOST_BEGUN});
    CHECK_FALSE(send(filter, kPorts, "192.0.2.8").sequence);
    CHECK(send(filter, {32767, 24576, 30000, 31000}).sequence); // it was begun before
    Filter fresh(watching);
    fresh.publish_sequence(kPorts, kSlot);
    fresh.set_sequence_slot({kSlot, 0, ~0ull, XK_MOST_BEGUN - 1});
    CHECK(send(fresh, kPorts).sequence);
}

TEST_CASE("a slot counts in its time alone, and the one before beside it") {
    const std::uint64_t now = boot_now(), hour = 3'600'000'000'000;
    const Ports other = {24601, 25001, 25002, 25003, 25004};
    Filter filter(watching);
    filter.publish_sequence(kPorts, kSlot, 0, now + hour);
    filter.publish_sequence(other, kSlot + 1, now - 1, now + hour);
    filter.publish_sequence({24602, 25001, 25002, 25003, 25004}, kSlot + 2, now + hour, now + 2 * hour);
    CHECK_FALSE(send(filter, {24602, 25001, 25002, 25003, 25004}).sequence);
    const auto before = send(filter, kPorts);
    REQUIRE(before.sequence);
    CHECK(before.sequence->head.slot == kSlot);
    const auto present = send(filter, other, "192.0.2.8");
    REQUIRE(present.sequence);
    CHECK(present.sequence->head.slot == kSlot + 1);

    Filter late(watching);
    late.publish_sequence(kPorts, kSlot, 0, now);
    CHECK_FALSE(send(late, kPorts).sequence);
    CHECK(late.progress_entries() == 0);
}

TEST_CASE("a disabled credential, an empty bucket and a full ring report nothing, and nothing is used up") {
    Filter disabled(watching);
    disabled.publish_sequence(kPorts, kSlot);
    disabled.disable(Filter::kCredential);
    auto verdict = send(disabled, kPorts);
    CHECK_FALSE(verdict.sequence);
    CHECK(verdict.counters == std::vector<int>{XK_DISABLED});

    Filter busy([](xk_settings& s) { s.sequences = 1, s.knock_interval = 3'600'000'000'000, s.knock_burst = 1; });
    busy.publish_sequence(kPorts, kSlot);
    busy.publish_sequence({24601, 25000, 32767, 24576, 30000, 31000}, kSlot + 1);
    CHECK(send(busy, kPorts).sequence);
    CHECK(send(busy, {24601, 25000, 32767, 24576, 30000, 31000}).counters == std::vector<int>{XK_RATE});

    Filter full([](xk_settings& s) { s.sequences = 1, s.knock_burst = 1'000'000'000; });
    full.publish_sequence(kPorts, kSlot);
    full.stop_consuming();
    const auto frame = [&](unsigned i) {
        FrameSpec spec = to_port(62201);
        const RequestBytes request{static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8)};
        const auto packet =
            seal_packet(Filter::keys(), kSlot, hedged_nonce(Filter::keys().nonce, WallTime{}, request), request);
        spec.payload.assign(packet.begin(), packet.end());
        return spec;
    };
    unsigned sent = 0;
    while (full.run(frame(sent)).counters != std::vector<int>{XK_RING_FULL})
        REQUIRE(++sent < 100'000);
    // What is left may still hold the shorter record of a sequence.
    Slot slot = kSlot;
    while (has(send(full, kPorts).counters, XK_SEQUENCE)) {
        REQUIRE(++slot < kSlot + 100);
        full.publish_sequence(kPorts, slot);
    }
    CHECK(has(send(full, kPorts).counters, XK_RING_FULL));
    full.consume();
    CHECK(has(send(full, kPorts).counters, XK_SEQUENCE));
}

TEST_CASE("nobody is followed who is banned, who cannot be, or who sends to somebody else") {
    Filter filter(watching);
    filter.publish_sequence(kPorts, kSlot);
    for (const std::uint16_t port : kPorts) {
        FrameSpec forwarded = to_port(port);
        forwarded.destination = address("192.0.2.99");
        CHECK_FALSE(filter.run(forwarded).sequence);
        CHECK_FALSE(filter.run(to_port(port, "127.0.0.1")).sequence);
        CHECK_FALSE(filter.run(to_port(port, "192.0.2.1")).sequence);
        FrameSpec ack = test::tcp(to_port(port), test::kAck, port);
        CHECK_FALSE(filter.run(ack).sequence);
    }
    CHECK(filter.progress_entries() == 0);
    filter.ban("192.0.2.7/32");
    for (const std::uint16_t port : kPorts)
        CHECK(filter.run(to_port(port)).action == XDP_DROP);
    CHECK(filter.progress_entries() == 0);
}

TEST_CASE("a scan of all ports from many sources costs no memory but that of right first ports, and wakes nobody") {
    Filter filter(watching);
    filter.publish_sequence(kPorts, kSlot);
    for (std::uint16_t port = 24576; port < 32768; ++port)
        filter.run(to_port(port));
    CHECK(filter.progress_entries() == 1); // this one met the first port
    std::mt19937 random(1);
    for (int i = 0; i < 20'000; ++i) {
        FrameSpec spec = to_port(static_cast<std::uint16_t>(24576 + random() % 8192));
        const std::string source = "198.51." + std::to_string(random() % 256) + "." + std::to_string(random() % 256);
        spec.source = address(source.c_str());
        if (spec.destination_port != kPorts[0])
            CHECK_FALSE(filter.run(spec).sequence);
    }
    CHECK(filter.progress_entries() == 1);
    CHECK(filter.records() == 0);
    CHECK(send(filter, kPorts, "192.0.2.8").sequence);
}
