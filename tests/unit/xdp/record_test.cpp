// SPDX-License-Identifier: MIT
//
// A record of the ring, before anybody has looked at it.
#include "daemon/xdp/ring.h"

#include "bpf/abi.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <random>

using namespace xk;
using namespace xk::xdp;

namespace {

xk_packet_record good() {
    xk_packet_record record;
    std::memset(&record, 0, sizeof record);
    record.head.kind = XK_RECORD_PACKET;
    record.head.version = XK_PACKET_RECORD_VERSION;
    record.head.length = sizeof record;
    record.head.source_port = 40000;
    const Address source = Address::v4(192, 0, 2, 7), destination = Address::v4(192, 0, 2, 1);
    std::memcpy(record.head.source.bytes, source.bytes.data(), 16);
    std::memcpy(record.head.destination.bytes, destination.bytes.data(), 16);
    record.head.arrived = 123'456'789'000;
    record.head.slot = 56'666'666;
    record.head.credential = 3;
    for (std::size_t i = 0; i < sizeof record.packet; ++i)
        record.packet[i] = static_cast<std::uint8_t>(i);
    return record;
}

// Reads `size` bytes, which may be fewer or more than the record has.
std::variant<authz::Record, RecordFault> read(const xk_packet_record& record,
                                              std::size_t size = sizeof(xk_packet_record)) {
    std::vector<std::uint8_t> bytes(size);
    const auto* const from = reinterpret_cast<const std::uint8_t*>(&record);
    std::copy_n(from, std::min(size, sizeof record), bytes.begin());
    return read_record(bytes);
}

bool is(const std::variant<authz::Record, RecordFault>& result, RecordFault fault) {
    const auto* found = std::get_if<RecordFault>(&result);
    return found != nullptr && *found == fault;
}

} // namespace

TEST_CASE("a record's values are those of the filter") {
    const auto result = read(good());
    const auto* record = std::get_if<authz::Record>(&result);
    REQUIRE(record != nullptr);
    CHECK(record->kind == authz::RecordKind::packet);
    CHECK(record->source == Address::v4(192, 0, 2, 7));
    CHECK(record->destination == Address::v4(192, 0, 2, 1));
    CHECK(record->source_port == 40000);
    CHECK(record->arrived == BootTime(std::chrono::nanoseconds(123'456'789'000)));
    CHECK(record->slot == 56'666'666);
    CHECK(record->credential == 3);
    REQUIRE(record->bytes.size() == XK_PACKET_SIZE);
    CHECK(record->bytes.begin()[0] == 0);
    CHECK(record->bytes.begin()[191] == 191);
}

TEST_CASE("a record of another size than its header says, or than its kind has, is malformed") {
    for (std::size_t size = 0; size < sizeof(xk_packet_record) + 16; ++size)
        if (size != sizeof(xk_packet_record))
            CHECK(is(read(good(), size), RecordFault::malformed));
    for (const unsigned length : {0u, 6u, 63u, 64u, 255u, 257u, 65535u}) {
        xk_packet_record record = good();
        record.head.length = static_cast<std::uint16_t>(length);
        CHECK(is(read(record), RecordFault::malformed));
        CHECK(is(read(record, length), RecordFault::malformed)); // also where it is that long
    }
}

TEST_CASE("a record of another version is malformed, and one of a kind to come is unknown") {
    xk_packet_record record = good();
    for (const std::uint16_t version : std::initializer_list<std::uint16_t>{0, 2, 256, 65535}) {
        record.head.version = version;
        CHECK(is(read(record), RecordFault::malformed));
    }
    record = good();
    for (const std::uint16_t kind : std::initializer_list<std::uint16_t>{0, 8, 257, 65535}) {
        record.head.kind = kind;
        CHECK(is(read(record), RecordFault::unknown));
    }
}

TEST_CASE("a record of a sequence holds its ports, and has a length of its own") {
    xk_sequence_record record{};
    record.head = good().head;
    record.head.kind = XK_RECORD_SEQUENCE;
    record.head.version = XK_SEQUENCE_RECORD_VERSION;
    record.head.length = sizeof record;
    record.sent.port[0] = 24576;
    record.sent.count = 6;
    const auto read_it = [&](std::size_t size) {
        return xdp::read_record({reinterpret_cast<const std::uint8_t*>(&record), size});
    };
    const auto found = read_it(sizeof record);
    REQUIRE(std::holds_alternative<authz::Record>(found));
    const auto& taken = std::get<authz::Record>(found);
    CHECK(taken.kind == authz::RecordKind::sequence);
    CHECK(taken.slot == record.head.slot);
    REQUIRE(taken.bytes.size() == sizeof record.sent);
    CHECK(std::equal(taken.bytes.begin(), taken.bytes.end(), reinterpret_cast<const std::uint8_t*>(&record.sent)));
    record.head.length = sizeof(xk_packet_record);
    CHECK(is(read_it(sizeof record), RecordFault::malformed));
    record.head.length = sizeof record - 1;
    CHECK(is(read_it(sizeof record - 1), RecordFault::malformed));
}

TEST_CASE("a record of an old client's packet is as long as the packet, within the lengths of its kind") {
    struct Kind {
        std::uint16_t number;
        std::size_t fewest, most;
    };
    for (const Kind kind : {Kind{XK_RECORD_CAPYKNOCK, XK_FEWEST_CAPYKNOCK, XK_MOST_CAPYKNOCK},
                            Kind{XK_RECORD_FWKNOP, XK_FEWEST_FWKNOP, XK_MOST_FWKNOP}}) {
        xk_legacy_record record{};
        record.head = good().head;
        record.head.kind = kind.number;
        record.head.version = XK_LEGACY_RECORD_VERSION;
        for (std::size_t i = 0; i < sizeof record.packet; ++i)
            record.packet[i] = static_cast<std::uint8_t>(i * 7);
        const auto read_it = [&](std::size_t size) {
            return xdp::read_record({reinterpret_cast<const std::uint8_t*>(&record), size});
        };
        for (std::size_t payload = 0; payload <= XK_MOST_LEGACY; ++payload) {
            CAPTURE(payload);
            const std::size_t size = sizeof record.head + payload;
            record.head.length = static_cast<std::uint16_t>(size);
            const auto found = read_it(size);
            if (payload < kind.fewest || payload > kind.most) {
                CHECK(is(found, RecordFault::malformed));
                continue;
            }
            REQUIRE(std::holds_alternative<authz::Record>(found));
            const auto& taken = std::get<authz::Record>(found);
            CHECK(static_cast<std::uint16_t>(taken.kind) == kind.number);
            CHECK(taken.source == Address::v4(192, 0, 2, 7));
            REQUIRE(taken.bytes.size() == payload);
            CHECK(std::equal(taken.bytes.begin(), taken.bytes.end(), record.packet));
            // Another length than the header says.
            CHECK(is(read_it(size - 1), RecordFault::malformed));
            if (size < sizeof record)
                CHECK(is(read_it(size + 1), RecordFault::malformed));
        }
        record.head.length = sizeof record.head + 300;
        record.head.version = XK_LEGACY_RECORD_VERSION + 1;
        CHECK(is(read_it(record.head.length), RecordFault::malformed));
    }
}

TEST_CASE("a record of the release before, which had no header, is none of ours") {
    // It began with the source: of IPv4 with zeros.
    xk_packet_record record = good();
    std::memmove(reinterpret_cast<std::uint8_t*>(&record), record.head.source.bytes, 248);
    CHECK(std::holds_alternative<RecordFault>(read(record)));
}

TEST_CASE("any bytes are a record or a fault") {
    std::mt19937 random(3);
    std::vector<std::uint8_t> bytes;
    for (int i = 0; i < 20'000; ++i) {
        bytes.resize(random() % 600);
        for (std::uint8_t& b : bytes)
            b = static_cast<std::uint8_t>(random());
        if (i % 2 == 0 && bytes.size() >= 6) {
            bytes[0] = 1, bytes[1] = 0, bytes[2] = 1, bytes[3] = 0;
            bytes[4] = static_cast<std::uint8_t>(bytes.size()), bytes[5] = static_cast<std::uint8_t>(bytes.size() >> 8);
        }
        const bool whole = i % 2 == 0 && bytes.size() == sizeof(xk_packet_record);
        CHECK(std::holds_alternative<authz::Record>(read_record(bytes)) == whole);
    }
}
