// SPDX-License-Identifier: MIT
//
// xk-bench-filter: what the real filter costs for one packet, at each of its exits, by BPF_PROG_TEST_RUN, beside a
// program that only passes. Every run is checked to have left by the exit that it is said to measure. Prints lines of
// "exit <tab> nanoseconds (median of the rounds) <tab> nanoseconds of the floor".
#include "tests/bpf/frame.h"

#include "protocol/base/result.h"
#include "protocol/keys.h"
#include "protocol/seal.h"

#include "bpf/abi.h"
#include "generator.skel.h"
#include "knock.skel.h"

#include <CLI/CLI.hpp>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iostream>
#include <memory>

using namespace xk;
using test::Frame;
using test::FrameSpec;

namespace {

constexpr Slot kSlot = 56666666;
constexpr unsigned kManyTags = 40000; // 10,000 credentials
constexpr unsigned kManyBans = 100000;
constexpr std::uint16_t kInRange = 30000; // of the ports of sequences
constexpr int kNoCounter = -1;

using Filter = std::unique_ptr<knock_bpf, decltype(&knock_bpf::destroy)>;
using Generator = std::unique_ptr<generator_bpf, decltype(&generator_bpf::destroy)>;

// A row of the table. The floor is another row, or the row itself.
struct Row {
    std::string name;
    int program = -1;
    Frame frame;
    int action = XDP_PASS;
    int counter = kNoCounter; // of `filter`, which moves by one for each run
    knock_bpf* filter = nullptr;
    std::size_t floor = 0;
    int varied = -1; // what "vary" or "vary_source" goes on to
    std::vector<std::uint32_t> times{};
};

template <typename K, typename V>
Result<void> put(bpf_map* map, const K& key, const V& value) {
    if (const int failure = bpf_map__update_elem(map, &key, sizeof key, &value, sizeof value, BPF_ANY); failure != 0)
        return os_error_of(failure, std::string("writing map ") + bpf_map__name(map));
    return {};
}

CredentialKeys test_keys() {
    CredentialKeys keys;
    derive_keys(keys, Key{1}, wire::ServerId{2}, wire::CredentialId{3});
    return keys;
}

std::uint64_t tag_word(const wire::Tag& tag) {
    std::uint64_t word;
    std::memcpy(&word, tag.data(), sizeof word);
    return word;
}

Result<void> publish(const Filter& filter, const Bytes<8>& tag, const Bytes<wire::kMacKeySize>& mac_key) {
    xk_tag value{};
    std::memcpy(value.mac_key, mac_key.data(), sizeof value.mac_key);
    value.expires = ~0ull;
    value.slot = kSlot;
    value.kind = XK_RECORD_PACKET;
    return put(filter->maps.tags, tag_word(tag), value);
}

// The filter as xknockd loads it, with `tags` tags of strangers, and with all other ways of knocking or without.
Result<Filter> load_filter(unsigned tags, bool all_modes = false) {
    Filter filter(knock_bpf::open(), &knock_bpf::destroy);
    if (!filter)
        return os_error("opening the filter");
    auto& settings = const_cast<xk_settings&>(reinterpret_cast<const volatile xk_settings&>(filter->rodata->settings));
    settings.knock_port = htobe16(wire::kDefaultPort);
    settings.knock_interval = 500'000'000;
    settings.knock_burst = 32;
    if (all_modes) {
        settings.capyknock_port = htobe16(5001);
        settings.fwknop_port = htobe16(5002);
        settings.sequences = 1;
        settings.c_lock_ports = 4;
        settings.attempt_interval = 360'000'000'000;
        settings.attempt_burst = 10;
        settings.open_ports[0] = 8080;
    }
    if (const int failure = knock_bpf::load(filter.get()); failure != 0)
        return os_error_of(failure, "loading the filter", "root?");
    xk_address here;
    const Address server = FrameSpec{}.destination;
    std::memcpy(here.bytes, server.bytes.data(), sizeof here.bytes);
    if (auto done = put(filter->maps.local_addresses, here, std::uint32_t{1}); !done)
        return done.error();
    for (unsigned i = 0; i < tags; ++i) {
        wire::Tag tag;
        randombytes_buf(tag.data(), tag.size());
        if (auto done = publish(filter, tag, {}); !done)
            return done.error();
    }
    return filter;
}

// Addresses of 10.0.0.0/8 in the map of bans; `counted` of them are told to the program. None of them is the knocker's
// but, where the program is told of none, his own: so that a look-up would show.
Result<void> ban(const Filter& filter, unsigned count) {
    for (unsigned i = 0; i < std::max(count, 1u); ++i) {
        Address banned = FrameSpec{}.source;
        if (count > 0)
            banned = Address::v4(10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                                 static_cast<std::uint8_t>(i));
        xk_address key;
        std::memcpy(key.bytes, banned.bytes.data(), sizeof key.bytes);
        if (auto done = put(filter->maps.banned_addresses, key, ~std::uint64_t{0}); !done)
            return done;
    }
    filter->bss->bans.addresses = count;
    return {};
}

// The guard of SYNs as xknockd writes it: tcp/22, this host, one allowed network, and `known` sources that have grants.
Result<void> guard_syns(const Filter& filter, unsigned known) {
    auto guard = std::make_unique<xk_syn_guard>();
    std::memset(guard.get(), 0, sizeof *guard);
    const auto hash_of = [](const Address& address) {
        std::uint64_t halves[2];
        std::memcpy(halves, address.bytes.data(), sizeof halves);
        return xk_address_hash(halves[0], halves[1]);
    };
    const auto set = [](auto& bitmap, unsigned bit) { bitmap[bit / 64] |= std::uint64_t{1} << bit % 64; };
    const Address server = FrameSpec{}.destination;
    set(guard->ports, 22);
    std::memcpy(&guard->local[xk_guard_slot(hash_of(server), 0)], server.bytes.data(), server.bytes.size());
    set(guard->allowed4, 198 << 8 | 51);
    guard->allowed = guard->on = 1;
    for (unsigned i = 0; i < known; ++i) {
        const Address source = Address::v4(203, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                                           static_cast<std::uint8_t>(i));
        xk_address key;
        std::memcpy(key.bytes, source.bytes.data(), sizeof key.bytes);
        if (auto done = put(filter->maps.known_sources, key, ~std::uint64_t{0}); !done)
            return done;
        set(guard->known, xk_known_bit(hash_of(source)));
    }
    return put(filter->maps.syn_guard, std::uint32_t{0}, *guard);
}

Result<int> load_pass() {
    const bpf_insn pass[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS},
                             {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    // The same attach type as the others have: a tail call wants it alike.
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_XDP);
    const int fd = ::bpf_prog_load(BPF_PROG_TYPE_XDP, "floor", "GPL", pass, std::size(pass), &options);
    return fd < 0 ? Result<int>(os_error_of(fd, "loading the floor")) : Result<int>(fd);
}

Result<std::uint64_t> read_counter(const Row& row) {
    if (row.counter == kNoCounter)
        return std::uint64_t{0};
    std::vector<std::uint64_t> each(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    const auto key = static_cast<std::uint32_t>(row.counter);
    if (const int failure =
            bpf_map__lookup_elem(row.filter->maps.counters, &key, sizeof key, each.data(), 8 * each.size(), 0);
        failure != 0)
        return os_error_of(failure, "reading a counter");
    std::uint64_t sum = 0;
    for (const auto n : each)
        sum += n;
    return sum;
}

// One measurement, and the proof that all of it went the way it should.
Result<std::uint32_t> measure(const Row& row, const Generator& generator, unsigned repeat) {
    if (row.varied >= 0)
        if (auto done = put(generator->maps.measured, std::uint32_t{0}, row.varied); !done)
            return done.error();
    const auto before = read_counter(row);
    if (!before)
        return before.error();
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = row.frame.data(),
                .data_size_in = static_cast<__u32>(row.frame.size()), .repeat = static_cast<int>(repeat));
    if (const int failure = ::bpf_prog_test_run_opts(row.program, &options); failure != 0)
        return os_error_of(failure, "running \"" + row.name + "\"");
    const auto after = read_counter(row);
    if (!after)
        return after.error();
    const bool moved = row.counter == kNoCounter || *after - *before == repeat;
    if (static_cast<int>(options.retval) != row.action || !moved)
        return Error{"\"" + row.name + "\" left by another exit: verdict " + std::to_string(options.retval), {}};
    return options.duration;
}

Frame knock_frame(const std::function<void(FrameSpec&)>& change = {}) {
    FrameSpec spec;
    const RequestBytes request{};
    const CredentialKeys keys = test_keys();
    const wire::Packet packet = seal_packet(keys, kSlot, hedged_nonce(keys.nonce, WallTime{}, request), request);
    spec.payload.assign(packet.begin(), packet.end());
    if (change)
        change(spec);
    return test::build(spec);
}

// By how many are banned: none, one, many.
using Banning = std::array<Filter, 3>;

Result<Banning> load_banning() {
    auto none = load_filter(0), one = load_filter(0), many = load_filter(0);
    if (!none || !one || !many)
        return none ? one ? many.error() : one.error() : none.error();
    Banning all = {*std::move(none), *std::move(one), *std::move(many)};
    const unsigned counts[] = {0, 1, kManyBans};
    for (std::size_t i = 0; i < all.size(); ++i)
        if (auto done = ban(all[i], counts[i]); !done)
            return done.error();
    return all;
}

std::vector<Row> rows(const Filter& empty, const Filter& full, const Banning& banning, const Generator& generator,
                      int pass) {
    const int few = bpf_program__fd(empty->progs.xknock);
    const int many = bpf_program__fd(full->progs.xknock);
    const int vary = bpf_program__fd(generator->progs.vary);
    const Frame genuine = knock_frame();
    const Frame tag = knock_frame([](FrameSpec& s) { s.payload[wire::kTagOffset] ^= 1; });
    const Frame mac = knock_frame([](FrameSpec& s) { s.payload[wire::kMacOffset] ^= 1; });
    const Frame tcp = test::build(test::tcp({}, test::kAck));
    const Frame other = knock_frame([](FrameSpec& s) { s.destination_port = 53; });
    const Frame longer = knock_frame([](FrameSpec& s) { s.payload.push_back(0); });
    std::vector<Row> rows;
    rows.push_back({"floor: return XDP_PASS", pass, genuine});
    rows.push_back({"TCP of a connection", many, tcp, XDP_PASS, kNoCounter, full.get()});
    rows.push_back({"other port", many, other, XDP_PASS, kNoCounter, full.get()});
    rows.push_back({"wrong length", many, longer, XDP_DROP, XK_LENGTH, full.get()});
    rows.push_back({"wrong tag, no tags", few, tag, XDP_DROP, XK_TAG, empty.get()});
    rows.push_back({"wrong tag, 40,000 tags, the same again", many, tag, XDP_DROP, XK_TAG, full.get()});
    rows.push_back({"right tag, wrong MAC", many, mac, XDP_DROP, XK_MAC, full.get()});
    rows.push_back({"replay", many, genuine, XDP_DROP, XK_SEEN, full.get()});
    const char* const names[] = {"other port, nobody banned", "other port, 1 address banned",
                                 "other port, 100,000 addresses banned"};
    for (std::size_t i = 0; i < banning.size(); ++i)
        rows.push_back(
            {names[i], bpf_program__fd(banning[i]->progs.xknock), other, XDP_PASS, kNoCounter, banning[i].get()});
    Frame banned = knock_frame([](FrameSpec& s) { s.source = Address::v4(10, 0, 1, 7); });
    rows.push_back({"banned, one of 100,000", bpf_program__fd(banning[2]->progs.xknock), banned, XDP_DROP, XK_BANNED,
                    banning[2].get()});
    // What the variation costs is in its own floor.
    const std::size_t floor = rows.size();
    rows.push_back({"floor: another tag, return XDP_PASS", vary, tag, XDP_PASS, kNoCounter, nullptr, floor, pass});
    rows.push_back({"wrong tag, no tags, always another", vary, tag, XDP_DROP, XK_TAG, empty.get(), floor, few});
    rows.push_back({"wrong tag, 40,000 tags, always another", vary, tag, XDP_DROP, XK_TAG, full.get(), floor, many});
    return rows;
}

// By how many sources have grants: none, as many as may by default.
using Guarded = std::array<Filter, 2>;
constexpr unsigned kManyKnown = 4096;

Result<Guarded> load_guarded() {
    auto none = load_filter(0), many = load_filter(0);
    if (!none || !many)
        return none ? many.error() : none.error();
    Guarded both = {*std::move(none), *std::move(many)};
    for (std::size_t i = 0; i < both.size(); ++i)
        if (auto done = guard_syns(both[i], i == 0 ? 0 : kManyKnown); !done)
            return done.error();
    return both;
}

// SYNs to a protected port, beside a program that drops them and does nothing else.
void add_syn_rows(std::vector<Row>& rows, const Guarded& guarded, const Generator& generator) {
    const Frame syn = test::build(test::tcp({}, test::kSyn));
    const Frame ack = test::build(test::tcp({}, test::kAck));
    const int bare = bpf_program__fd(generator->progs.bare);
    const int vary = bpf_program__fd(generator->progs.vary_source);
    const auto of = [&](std::size_t i) { return bpf_program__fd(guarded[i]->progs.xknock); };
    rows.push_back({"TCP of a connection, SYNs guarded", of(1), ack, XDP_PASS, kNoCounter, guarded[1].get()});
    const std::size_t floor = rows.size();
    rows.push_back({"floor: a bare program drops the SYN", bare, syn, XDP_DROP, kNoCounter, nullptr, floor});
    rows.push_back({"SYN without a grant, nobody has one", of(0), syn, XDP_DROP, XK_SYN, guarded[0].get(), floor});
    rows.push_back({"SYN without a grant, 4,096 have one", of(1), syn, XDP_DROP, XK_SYN, guarded[1].get(), floor});
    const std::size_t varied = rows.size();
    rows.push_back({"floor: bare, always another source", vary, syn, XDP_DROP, kNoCounter, nullptr, varied, bare});
    rows.push_back({"without a grant, always another", vary, syn, XDP_DROP, kNoCounter, nullptr, varied, of(1)});
}

// The sequences of `devices` devices for one slot, which counts now. None begins with `spared`.
Result<void> publish_sequences(const Filter& filter, unsigned devices, std::uint16_t spared) {
    xk_sequence_slot slot{};
    slot.slot = kSlot;
    slot.expires = ~0ull;
    if (auto done = put(filter->maps.sequence_slots, static_cast<std::uint32_t>(kSlot % XK_SEQUENCE_SLOTS), slot);
        !done)
        return done;
    for (unsigned i = 0; i < devices; ++i) {
        xk_step_key key{};
        key.node = kSlot;
        const unsigned port = XK_SEQUENCE_FIRST + 8 * i;
        key.port = static_cast<std::uint16_t>(port == spared ? port + 1 : port);
        xk_step step{};
        step.next = std::uint64_t{1} << 63 | i;
        if (auto done = put(filter->maps.sequence_steps, key, step); !done)
            return done;
    }
    return {};
}

// What other traffic pays for the other ways of knocking: each packet by a filter without them, which is the floor, and
// by one with all of them. Both guard SYNs.
void add_mode_rows(std::vector<Row>& rows, const Filter& without, const Filter& with, const Generator& generator) {
    const int off = bpf_program__fd(without->progs.xknock), on = bpf_program__fd(with->progs.xknock);
    const auto pair = [&](const std::string& name, const Frame& frame, int action = XDP_PASS,
                          int counter = kNoCounter) {
        const std::size_t floor = rows.size();
        rows.push_back({name + ", all modes off", off, frame, action, counter, without.get(), floor});
        rows.push_back({name + ", all modes on", on, frame, action, counter, with.get(), floor});
    };
    const auto datagram = [](std::uint16_t port) {
        return knock_frame([port](FrameSpec& s) { s.destination_port = port; });
    };
    const auto syn = [](std::uint16_t port) { return test::build(test::tcp({}, test::kSyn, port)); };
    pair("TCP of a connection", test::build(test::tcp({}, test::kAck)));
    pair("datagram", datagram(53));
    pair("datagram in the range", datagram(kInRange));
    pair("SYN, port 443", syn(443));
    pair("SYN, port 8080, listed as open", syn(8080));
    pair("SYN, port 9090", syn(9090));
    pair("SYN without a grant", syn(22), XDP_DROP, XK_SYN);
    const int vary = bpf_program__fd(generator->progs.vary_source);
    const std::size_t floor = rows.size();
    rows.push_back({"SYN, always another, all modes off", vary, syn(443), XDP_PASS, kNoCounter, nullptr, floor, off});
    rows.push_back({"SYN, always another, all modes on", vary, syn(443), XDP_PASS, kNoCounter, nullptr, floor, on});
    rows.push_back({"old client's port, not of its form", on, datagram(5002), XDP_DROP, XK_LEGACY_FORM, with.get()});
}

std::uint32_t median(std::vector<std::uint32_t> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

Result<void> run(unsigned rounds, unsigned repeat) {
    auto empty = load_filter(0);
    if (!empty)
        return empty.error();
    auto full = load_filter(kManyTags);
    if (!full)
        return full.error();
    const GateKeys gate = gate_keys(test_keys().gate, kSlot);
    if (auto done = publish(*full, gate.tag, gate.mac_key); !done)
        return done;
    auto pass = load_pass();
    if (!pass)
        return pass.error();
    Generator generator(generator_bpf::open_and_load(), &generator_bpf::destroy);
    if (!generator)
        return os_error("loading the generator");

    auto banning = load_banning();
    if (!banning)
        return banning.error();
    auto guarded = load_guarded();
    if (!guarded)
        return guarded.error();
    auto table = rows(*empty, *full, *banning, generator, *pass);
    add_syn_rows(table, *guarded, generator);
    auto with_modes = load_filter(0, true);
    if (!with_modes)
        return with_modes.error();
    if (auto done = guard_syns(*with_modes, kManyKnown); !done)
        return done;
    if (auto done = publish_sequences(*with_modes, XK_MAX_SEQUENCES, kInRange); !done)
        return done;
    add_mode_rows(table, (*guarded)[1], *with_modes, generator);
    // The knock that is replayed is let in once.
    Row first = *std::find_if(table.begin(), table.end(), [](const Row& row) { return row.counter == XK_SEEN; });
    first.counter = XK_CANDIDATE;
    if (auto let_in = measure(first, generator, 1); !let_in)
        return let_in.error();
    for (unsigned round = 0; round < rounds; ++round)
        for (Row& row : table) {
            auto time = measure(row, generator, repeat);
            if (!time)
                return time.error();
            row.times.push_back(*time);
        }
    for (const Row& row : table)
        std::cout << row.name << "\t" << median(row.times) << "\t" << median(table[row.floor].times) << "\n";
    return {};
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("xk-bench-filter");
    unsigned rounds = 9, repeat = 1'000'000;
    app.add_option("--rounds", rounds)->check(CLI::PositiveNumber);
    app.add_option("--repeat", repeat, "packets of one measurement")->check(CLI::PositiveNumber);
    CLI11_PARSE(app, argc, argv);
    if (sodium_init() < 0)
        return 1;
    if (auto done = run(rounds, repeat); !done) {
        std::cerr << "xk-bench-filter: " << done.error().message << "\n";
        return static_cast<int>(done.error().exit);
    }
    return 0;
}
