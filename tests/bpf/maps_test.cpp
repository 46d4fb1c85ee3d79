// SPDX-License-Identifier: MIT
//
// The daemon's hand in the filter's maps: bans, credentials, addresses, counters, and the ring's other end. Tags are in
// tags_test.cpp.
#include "daemon/xdp/maps.h"

#include "filter.h"
#include "pin_directory.h"
#include "refusing.h"

#include "daemon/xdp/ban_filter.h"
#include "daemon/xdp/link_layer.h"
#include "daemon/xdp/map_access.h"
#include "daemon/xdp/ring.h"
#include "daemon/xdp/tags.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>

using namespace xk;
using test::FrameSpec;
using test::PinDirectory;
using xdp::Map;
using namespace std::chrono_literals;

namespace {

template <typename Value>
std::optional<Value> value_of(int fd, const auto& key) {
    Value value{};
    if (bpf_map_lookup_elem(fd, &key, &value) != 0)
        return std::nullopt;
    return value;
}

// The counters of the program's exits that moved by one.
std::vector<int> run(xdp::Filter& filter, const FrameSpec& spec) {
    const auto before = xdp::read_counters(filter).value();
    const test::Frame frame = build(spec);
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_size_in = static_cast<__u32>(frame.size()),
                .repeat = 1);
    REQUIRE(bpf_prog_test_run_opts(filter.program_fd(xdp::LinkLayer::ethernet), &options) == 0);
    const auto after = xdp::read_counters(filter).value();
    std::vector<int> moved;
    for (std::size_t i = 0; i < after.size(); ++i)
        if (after[i] == before[i] + 1)
            moved.push_back(static_cast<int>(i));
    return moved;
}

FrameSpec knock(std::uint8_t seed = 0) {
    FrameSpec spec;
    spec.payload = test::Filter::sealed(seed);
    return spec;
}

// The tag and key of test::Filter's knocks.
xdp::PublishedTag genuine(std::uint32_t place) {
    const GateKeys gate = gate_keys(test::Filter::keys().gate, test::Filter::kSlot);
    xdp::PublishedTag tag;
    std::copy_n(gate.tag.begin(), tag.tag.size(), tag.tag.begin());
    std::copy_n(gate.mac_key.begin(), tag.mac_key.size(), tag.mac_key.begin());
    tag.slot = test::Filter::kSlot;
    tag.place = place;
    tag.expires = BootTime::max();
    return tag;
}

void set_up(xdp::Filter& filter, xdp::Tags& tags) {
    REQUIRE(xdp::set_local_addresses(filter, {test::address("192.0.2.1")}));
    REQUIRE(xdp::set_disabled(filter, std::vector<bool>(8)));
    REQUIRE(tags.add({genuine(3)}));
}

} // namespace

TEST_CASE("a knock with a published tag is a candidate in the ring, which gives as many as are wanted") {
    const PinDirectory directory;
    auto filter = directory.load();
    xdp::Tags tags(filter);
    set_up(filter, tags);
    auto ring = xdp::Ring::open(Fd(::dup(filter.ring_fd())));
    REQUIRE(ring);
    pollfd waiting{ring->poll_fd(), POLLIN, 0};
    CHECK(::poll(&waiting, 1, 0) == 0);
    for (std::uint8_t i = 0; i < 5; ++i)
        CHECK(run(filter, knock(i)) == std::vector<int>{XK_CANDIDATE});
    CHECK(::poll(&waiting, 1, 0) == 1);
    std::vector<authz::Record> records;
    const auto keep = [&](const authz::Record& record) { records.push_back(record); };
    ring->consume(keep, 2);
    REQUIRE(records.size() == 2);
    CHECK(records[0].credential == 3);
    CHECK(records[0].slot == test::Filter::kSlot);
    CHECK(records[0].source == test::address("192.0.2.7"));
    ring->consume(keep, 100);
    CHECK(records.size() == 5);
    ring->consume(keep, 100);
    CHECK(records.size() == 5);
    CHECK(ring->malformed() == 0);
    CHECK(ring->unknown() == 0);
    tags.begin_replacement();
    tags.end_replacement();
    CHECK(run(filter, knock(9)) == std::vector<int>{XK_TAG});
}

namespace {

// Writes these bytes into the ring as a program would.
void put_record(int ring, const std::vector<std::uint8_t>& bytes) {
    const auto size = static_cast<std::int16_t>(bytes.size());
    const auto insn = [](int code, int to, int from, int offset, int value) {
        bpf_insn i{};
        i.code = static_cast<__u8>(code);
        i.dst_reg = static_cast<__u8>(to) & 15;
        i.src_reg = static_cast<__u8>(from) & 15;
        i.off = static_cast<__s16>(offset);
        i.imm = value;
        return i;
    };
    std::vector<bpf_insn> code;
    for (int i = 0; i < size; ++i)
        code.push_back(insn(BPF_ST | BPF_MEM | BPF_B, BPF_REG_10, 0, i - size, bytes[static_cast<std::size_t>(i)]));
    code.push_back(insn(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, ring));
    code.push_back({});
    code.push_back(insn(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0));
    code.push_back(insn(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -size));
    code.push_back(insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, size));
    code.push_back(insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, 0));
    code.push_back(insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ringbuf_output));
    code.push_back(insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
    const Fd program(bpf_prog_load(BPF_PROG_TYPE_XDP, "writer", "GPL", code.data(), code.size(), nullptr));
    REQUIRE(program);
    const test::Frame frame(64);
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_size_in = static_cast<__u32>(frame.size()),
                .repeat = 1);
    REQUIRE(bpf_prog_test_run_opts(program.get(), &options) == 0);
    REQUIRE(options.retval == 0);
}

} // namespace

TEST_CASE("records that are none are skipped and counted, each by its fault, and take their turn") {
    const PinDirectory directory;
    auto filter = directory.load();
    xdp::Tags tags(filter);
    set_up(filter, tags);
    auto ring = xdp::Ring::open(Fd(::dup(filter.ring_fd())));
    REQUIRE(ring);
    std::vector<std::uint8_t> strange(sizeof(xk_record));
    strange[0] = 99; // the kind
    strange[4] = sizeof(xk_record);
    put_record(filter.ring_fd(), strange);
    put_record(filter.ring_fd(), std::vector<std::uint8_t>(16));
    put_record(filter.ring_fd(), std::vector<std::uint8_t>(16));
    CHECK(run(filter, knock()) == std::vector<int>{XK_CANDIDATE});
    int records = 0;
    const auto count = [&](const authz::Record&) { ++records; };
    ring->consume(count, 1);
    CHECK(ring->unknown() == 1);
    CHECK(ring->malformed() == 0);
    ring->consume(count, 2);
    CHECK(ring->unknown() == 1);
    CHECK(ring->malformed() == 2);
    CHECK(records == 0);
    ring->consume(count, 100);
    CHECK(records == 1);
}

TEST_CASE("a map that is no ring is not read as one") {
    const PinDirectory directory;
    auto filter = directory.load();
    const auto refused = xdp::Ring::open(Fd(::dup(filter.map_fd(Map::tags))));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("mapping the ring of records: ") == 0);
}

TEST_CASE("a credential's bucket has the burst and the interval of the settings") {
    auto settings = test::settings();
    settings.knock_burst = 2;
    settings.knock_interval = 1h;
    const PinDirectory directory;
    auto filter = directory.load(settings, directory.pins());
    xdp::Tags tags(filter);
    set_up(filter, tags);
    CHECK(run(filter, knock(0)) == std::vector<int>{XK_CANDIDATE});
    CHECK(run(filter, knock(1)) == std::vector<int>{XK_CANDIDATE});
    CHECK(run(filter, knock(2)) == std::vector<int>{XK_RATE});
}

TEST_CASE("credentials are disabled one by one, and all behind the last one are") {
    const PinDirectory directory;
    auto filter = directory.load();
    xdp::Tags tags(filter);
    set_up(filter, tags);
    REQUIRE(xdp::set_disabled(filter, {false, false, false, true}));
    CHECK(run(filter, knock()) == std::vector<int>{XK_DISABLED});
    REQUIRE(xdp::set_disabled(filter, {true, true, true, false}));
    CHECK(run(filter, knock()) == std::vector<int>{XK_CANDIDATE});
    REQUIRE(xdp::set_disabled(filter, {false, false, false}));
    CHECK(run(filter, knock(1)) == std::vector<int>{XK_DISABLED});
    const std::uint32_t last = XK_MAX_CREDENTIALS - 1;
    CHECK(value_of<xk_credential>(filter.map_fd(Map::credentials), last)->disabled == 1);
}

TEST_CASE("the map of our addresses holds exactly those") {
    const PinDirectory directory;
    auto filter = directory.load();
    const auto found = [&] {
        std::set<Address> all;
        for (const xk_address& key : xdp::keys_of<xk_address>(filter.map_fd(Map::local_addresses))) {
            Address address;
            std::memcpy(address.bytes.data(), key.bytes, 16);
            all.insert(address);
        }
        return all;
    };
    const Address a = test::address("192.0.2.1"), b = test::address("192.0.2.2"), c = test::address("2001:db8::1");
    for (const std::set<Address>& addresses : {std::set{a, b}, std::set{b, c}, std::set<Address>{}, std::set{c}}) {
        REQUIRE(xdp::set_local_addresses(filter, addresses));
        CHECK(found() == addresses);
    }
    std::set<Address> many;
    for (unsigned i = 0; i <= XK_MAX_LOCAL; ++i)
        many.insert(Address::v4(10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                                static_cast<std::uint8_t>(i)));
    const auto full = xdp::set_local_addresses(filter, many);
    REQUIRE_FALSE(full);
    CHECK(full.error().message.find("writing the filter's local addresses: ") == 0);
}

TEST_CASE("a map that the kernel does not let us write or read is an error that names it") {
    const PinDirectory directory;
    auto filter = directory.load();
    xdp::Tags tags(filter);
    const auto bans = xdp::ban_filter_of(filter);
    authz::BanBook book;
    const Prefix banned = Prefix::parse("192.0.2.7").value();
    book.set(banned, {{"admin", banned, std::nullopt}});
    const auto refused = [](bpf_cmd command, const auto& act) {
        const auto result = test::refusing(SYS_bpf, command, ENOMEM, act);
        return result ? std::string() : result.error().message;
    };
    const auto write = [&](const auto& act) { return refused(BPF_MAP_UPDATE_ELEM, act); };
    const std::string why = ": Cannot allocate memory";
    CHECK(write([&] { return xdp::set_disabled(filter, {false}); }) == "writing the filter's credentials" + why);
    CHECK(write([&] { return xdp::set_local_addresses(filter, {banned.address}); }) ==
          "writing the filter's local addresses" + why);
    CHECK(write([&] { return xdp::set_forwarding(filter, true); }) ==
          "writing the filter's switch for forwarded flows" + why);
    CHECK(write([&] { return tags.add({genuine(0)}); }) == "writing the filter's tags" + why);
    CHECK(tags.count() == 0);
    CHECK(write([&] { return bans->put_ban(banned, std::nullopt); }) == "writing the filter's banned addresses" + why);
    CHECK(write([&] { return bans->put_ban(Prefix::parse("10.0.0.0/8").value(), std::nullopt); }) ==
          "writing the filter's banned networks" + why);
    CHECK(write([&] { return bans->replace_bans(book); }) == "writing the filter's banned addresses" + why);
    CHECK(filter.ban_counts().addresses == 0);
    CHECK(refused(BPF_MAP_LOOKUP_ELEM, [&] { return xdp::read_counters(filter); }) ==
          "reading the filter's counters" + why);
    // A ban that goes while the list is read is not in it.
    REQUIRE(bans->replace_bans(book));
    CHECK(test::refusing(SYS_bpf, BPF_MAP_LOOKUP_ELEM, ENOENT, [&] { return bans->read_bans().all().empty(); }));
    CHECK(bans->read_bans().all().size() == 1);
}

TEST_CASE("the switch for forwarded flows reaches the program") {
    const PinDirectory directory;
    auto filter = directory.load();
    for (const bool on : {true, false, true}) {
        REQUIRE(xdp::set_forwarding(filter, on));
        CHECK(value_of<std::uint32_t>(filter.map_fd(Map::forwarding), std::uint32_t{0}) == std::uint32_t{on});
    }
}

TEST_CASE("bans of addresses and networks come and go, and count from their counts on") {
    const PinDirectory directory;
    auto filter = directory.load();
    const auto bans = xdp::ban_filter_of(filter);
    const Prefix one = Prefix::parse("192.0.2.7").value(), network = Prefix::parse("192.0.2.0/24").value();
    REQUIRE(bans->put_ban(one, BootTime::max()));
    CHECK(run(filter, knock()) == std::vector<int>{XK_TRANSIT}); // not counted yet
    authz::BanList list;
    list.add(one, {});
    bans->set_ban_counts(list);
    CHECK(filter.ban_counts().addresses == 1);
    CHECK(filter.ban_counts().networks == 0);
    CHECK(run(filter, knock()) == std::vector<int>{XK_BANNED});
    bans->erase_ban(one);
    CHECK(run(filter, knock()) == std::vector<int>{XK_TRANSIT});
    REQUIRE(bans->put_ban(network, std::nullopt));
    authz::BanList networks;
    networks.add(network, {});
    bans->set_ban_counts(networks);
    CHECK(filter.ban_counts().addresses == 0);
    CHECK(filter.ban_counts().networks == 1);
    CHECK(run(filter, knock()) == std::vector<int>{XK_BANNED});
    CHECK(bans->read_bans().all().size() == 1);
    bans->erase_ban(network);
    bans->erase_ban(network); // is not there any more
    CHECK(run(filter, knock()) == std::vector<int>{XK_TRANSIT});
    CHECK(bans->read_bans().all().empty());
    REQUIRE(bans->put_ban(one, BootTime(1ns))); // over
    bans->set_ban_counts(list);
    CHECK(run(filter, knock()) == std::vector<int>{XK_TRANSIT});
}

TEST_CASE("a replacement of bans leaves exactly the new ones") {
    const PinDirectory directory;
    auto filter = directory.load();
    const auto bans = xdp::ban_filter_of(filter);
    const Prefix old = Prefix::parse("192.0.2.7").value(), kept = Prefix::parse("2001:db8::/32").value();
    REQUIRE(bans->put_ban(old, std::nullopt));
    REQUIRE(bans->put_ban(kept, BootTime(50h)));
    authz::BanBook book;
    const Prefix added = Prefix::parse("203.0.113.9").value();
    book.set(kept, {{"admin", kept, BootTime(70h)}});
    book.set(added, {{"admin", added, std::nullopt}});
    REQUIRE(bans->replace_bans(book));
    const auto left = bans->read_bans();
    CHECK(left.all().size() == 2);
    CHECK(left.all().at(kept).until == BootTime(70h));
    CHECK_FALSE(left.all().at(added).until);
    CHECK(filter.ban_counts().addresses == 1);
    CHECK(filter.ban_counts().networks == 1);
}
