// SPDX-License-Identifier: MIT
//
// SYNs to protected ports: the program's verdicts, with its maps written by the daemon's own hand (xdp::SynGuard), on a
// BPF file system of the test's own.
#include "frame.h"
#include "pin_directory.h"
#include "refusing.h"

#include "daemon/xdp/link_layer.h"
#include "daemon/xdp/map_access.h"
#include "daemon/xdp/maps.h"
#include "daemon/xdp/pinned_maps.h"
#include "daemon/xdp/pins.h"
#include "daemon/xdp/syn_guard.h"
#include "protocol/base/fd.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <doctest/doctest.h>
#include <linux/bpf.h>
#include <sys/mman.h>

#include <array>
#include <bit>
#include <cstring>
#include <filesystem>
#include <map>
#include <numeric>
#include <optional>
#include <random>

using namespace xk;
using namespace xk::test;
using namespace std::chrono_literals;

namespace {

Address address(const char* text) { return Address::parse(text).value(); }

// tcp/22, 27015 to 27030 and 65535 of 192.0.2.1 and 2001:db8::1 are protected, 198.51.100.0/24 and 2001:db8:a::/48
// allowed.
class Guarded {
  public:
    explicit Guarded(const std::string& pins, bool dry_run = false)
        : filter_(load(pins, dry_run)), guard(filter_, [this](const std::string& note) { notes.push_back(note); }) {
        REQUIRE(guard.take_over(BootClock::now()));
    }
    void set_up() {
        const PortRange ports[] = {PortRange::parse("tcp/22").value(), PortRange::parse("tcp/27015-27030").value(),
                                   PortRange::parse("tcp/65535").value(), PortRange::parse("udp/80").value()};
        guard.set_ports(ports);
        guard.set_local({address("192.0.2.1"), address("2001:db8::1")});
        allow({"198.51.100.0/24", "2001:db8:a::/48"});
        guard.switch_on(BootClock::now());
    }
    void allow(const std::vector<const char*>& texts) {
        std::vector<Prefix> networks;
        for (const char* text : texts)
            networks.push_back(Prefix::parse(text).value());
        REQUIRE(guard.set_allowed(networks));
    }

    // As a reload does it.
    void load_again(const std::string& pins) {
        xdp::Filter next = load(pins, false, &filter_);
        guard.switch_off();
        filter_ = std::move(next);
        guard.bind_filter(filter_);
    }

    bool drops(const Frame& frame) {
        const auto before = xdp::read_counters(filter_).value();
        LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(),
                    .data_size_in = static_cast<__u32>(frame.size()), .repeat = 1);
        REQUIRE(bpf_prog_test_run_opts(filter_.program_fd(xdp::LinkLayer::ethernet), &options) == 0);
        const auto after = xdp::read_counters(filter_).value();
        for (std::size_t i = 0; i < after.size(); ++i)
            CHECK(after[i] - before[i] == (i == XK_SYN && options.retval == XDP_DROP ? 1 : 0));
        return options.retval == XDP_DROP;
    }
    bool drops(const FrameSpec& spec) { return drops(build(spec)); }
    bool drops_from(const Address& source) {
        FrameSpec spec = tcp({}, kSyn);
        if (!source.is_v4())
            spec.destination = address("2001:db8::1");
        spec.source = source;
        return drops(spec);
    }
    int map_fd(xdp::Map map) const { return filter_.map_fd(map); }
    xk_syn_guard memory() const {
        xk_syn_guard memory;
        const std::uint32_t zero = 0;
        REQUIRE(bpf_map_lookup_elem(map_fd(xdp::Map::syn_guard), &zero, &memory) == 0);
        return memory;
    }
    bool drops_from(const char* source) { return drops_from(address(source)); }

  private:
    static xdp::Filter load(const std::string& pins, bool dry_run, const xdp::Filter* running = nullptr) {
        xdp::FilterSettings settings;
        settings.knock_port = 62201;
        settings.dry_run = dry_run;
        auto filter = xdp::Filter::load(
            settings, pins, [](const std::string& note) { FAIL(note); }, running);
        REQUIRE_MESSAGE(filter, "loading the filter (root?)");
        return *std::move(filter);
    }
    xdp::Filter filter_;

  public:
    xdp::SynGuard guard;
    std::vector<std::string> notes;
};

int bits_in(const __u64 (&bitmap)[XK_BITMAP_WORDS]) {
    return std::accumulate(std::begin(bitmap), std::end(bitmap), 0,
                           [](int sum, __u64 word) { return sum + std::popcount(word); });
}

FrameSpec syn(std::uint16_t port = 22) { return tcp({}, kSyn, port); }
FrameSpec syn6(std::uint16_t port = 22) {
    FrameSpec spec = syn(port);
    spec.source = address("2001:db8::7");
    spec.destination = address("2001:db8::1");
    return spec;
}

} // namespace

TEST_CASE("a stranger's SYN to a protected port of this host is dropped, and nothing else of TCP") {
    const PinDirectory directory;
    Guarded filter(directory.pins());
    filter.set_up();
    for (const std::uint16_t port : std::initializer_list<std::uint16_t>{22, 27015, 27020, 27030, 65535}) {
        CHECK(filter.drops(syn(port)));
        CHECK(filter.drops(syn6(port)));
    }
    for (const std::uint16_t port : std::initializer_list<std::uint16_t>{1, 21, 23, 80, 27014, 27031, 65534}) {
        CHECK_FALSE(filter.drops(syn(port)));
        CHECK_FALSE(filter.drops(syn6(port)));
    }
    for (int flags = 0; flags < 256; ++flags) {
        const bool begins = (flags & (kSyn | kAck | kRst | kFin)) == kSyn;
        CHECK(filter.drops(tcp(syn(), static_cast<std::uint8_t>(flags))) == begins);
        CHECK(filter.drops(tcp(syn6(), static_cast<std::uint8_t>(flags))) == begins);
    }
    FrameSpec spec = syn();
    spec.payload.assign(100, 1); // TCP Fast Open
    CHECK(filter.drops(spec));
    spec = syn();
    spec.tcp_flags.reset(); // the same bits as another protocol's
    spec.protocol = 17;
    CHECK_FALSE(filter.drops(spec));
    spec.protocol = 132;
    CHECK_FALSE(filter.drops(spec));
}

TEST_CASE("only plain shapes are dropped, all others pass to nftables") {
    const PinDirectory directory;
    Guarded filter(directory.pins());
    filter.set_up();
    constexpr std::uint16_t q = 0x8100, ad = 0x88a8;
    for (const auto& vlans : std::vector<std::vector<std::uint16_t>>{{q}, {ad}, {ad, q}})
        for (FrameSpec spec : {syn(), syn6()}) {
            spec.vlans = vlans;
            CHECK(filter.drops(spec));
        }
    FrameSpec spec = syn();
    spec.vlans = {ad, q, q};
    CHECK_FALSE(filter.drops(spec));
    spec = syn();
    spec.ipv4_options = {1, 1, 1, 1};
    CHECK_FALSE(filter.drops(spec));
    for (const std::uint16_t fragment : std::initializer_list<std::uint16_t>{0x2000, 0x2001, 0x0001}) {
        spec = syn();
        spec.fragment = fragment;
        CHECK_FALSE(filter.drops(spec));
    }
    spec.fragment = 0x4000; // don't fragment
    CHECK(filter.drops(spec));
    for (const int header : {0, 43, 44, 51, 60, 135}) {
        spec = syn6();
        spec.ipv6_first = static_cast<std::uint8_t>(header);
        spec.ipv6_chain = {6, 0, 1, 4, 0, 0, 0, 0};
        CHECK_FALSE(filter.drops(spec));
    }
    for (spec = syn(); const std::uint16_t length : std::initializer_list<std::uint16_t>{0, 20, 39}) {
        spec.ip_length = length;
        CHECK_FALSE(filter.drops(spec));
    }
    for (spec = syn6(); const std::uint16_t length : std::initializer_list<std::uint16_t>{0, 19}) {
        spec.ip_length = length;
        CHECK_FALSE(filter.drops(spec));
    }
    for (const FrameSpec& whole : {syn(), syn6()}) {
        const Frame frame = build(whole);
        for (std::size_t size = 14; size < frame.size(); ++size)
            CHECK_FALSE(filter.drops(Frame(frame.begin(), frame.begin() + static_cast<long>(size))));
    }
}

TEST_CASE("SYNs to other hosts pass") {
    const PinDirectory directory;
    Guarded filter(directory.pins());
    filter.set_up();
    FrameSpec spec = syn(), spec6 = syn6();
    for (const char* other : {"192.0.2.2", "192.0.2.255", "255.255.255.255", "224.0.0.1", "0.0.0.0"}) {
        spec.destination = address(other);
        CHECK_FALSE(filter.drops(spec));
    }
    for (const char* other : {"2001:db8::2", "::", "ff02::1"}) {
        spec6.destination = address(other);
        CHECK_FALSE(filter.drops(spec6));
    }
    filter.guard.set_local({address("192.0.2.9"), address("2001:db8::9")});
    CHECK_FALSE(filter.drops(syn()));
    CHECK_FALSE(filter.drops(syn6()));
    spec.destination = address("192.0.2.9");
    CHECK(filter.drops(spec));
}

TEST_CASE("few of many addresses of this host find no slot, and no other host's is taken for one") {
    const PinDirectory directory;
    Guarded filter(directory.pins());
    filter.set_up();
    std::set<Address> own;
    for (std::uint8_t i = 0; i < 64; ++i)
        own.insert(Address::v4(203, 0, 113, i));
    filter.guard.set_local(own);
    int guarded = 0;
    FrameSpec spec = syn();
    for (int i = 0; i < 256; ++i) {
        spec.destination = Address::v4(203, 0, 113, static_cast<std::uint8_t>(i));
        const bool dropped = filter.drops(spec);
        CHECK((!dropped || i < 64));
        guarded += dropped;
    }
    CHECK(guarded >= 56);
}

TEST_CASE("an address is ours by both of its halves, also where another one shares its slot") {
    const PinDirectory directory;
    Guarded filter(directory.pins());
    filter.set_up();
    const auto slot_of = [](const Address& of) {
        std::uint64_t halves[2];
        std::memcpy(halves, of.bytes.data(), sizeof halves);
        return xk_guard_slot(xk_address_hash(halves[0], halves[1]), 0);
    };
    const Address own = address("2001:db8::1");
    FrameSpec spec = syn6();
    CHECK(filter.drops(spec));
    for (const std::size_t varied : {2u, 12u}) { // bytes of the first half, then of the second one
        int found = 0;
        for (unsigned i = 1; i < 65536 && found < 20; ++i) {
            spec.destination = own;
            spec.destination.bytes[varied] = static_cast<std::uint8_t>(i >> 8);
            spec.destination.bytes[varied + 1] = static_cast<std::uint8_t>(i);
            if (spec.destination == own || slot_of(spec.destination) != slot_of(own))
                continue;
            ++found;
            CHECK_FALSE(filter.drops(spec));
        }
        CHECK(found == 20);
    }
}

TEST_CASE("a source with a grant passes until a while after its end") {
    const PinDirectory directory;
    Guarded filter(directory.pins());
    filter.set_up();
    const BootTime now = BootClock::now();
    for (const char* source : {"192.0.2.7", "2001:db8::7"}) {
        CHECK(filter.drops_from(source));
        filter.guard.admit(address(source), now + 30s);
        CHECK_FALSE(filter.drops_from(source));
    }
    CHECK(filter.drops_from("192.0.2.8"));
    CHECK(filter.drops_from("2001:db8::8"));
    // A shorter one shortens nothing.
    filter.guard.admit(address("192.0.2.7"), now);
    filter.guard.expire(now + 159s);
    CHECK_FALSE(filter.drops_from("192.0.2.7"));
    filter.guard.limit(address("192.0.2.7"), now);
    filter.guard.expire(now + 129s);
    CHECK_FALSE(filter.drops_from("192.0.2.7"));
    filter.guard.expire(now + 130s);
    CHECK(filter.drops_from("192.0.2.7"));
    CHECK_FALSE(filter.drops_from("2001:db8::7"));
    filter.guard.expire(now + 160s);
    CHECK(filter.drops_from("2001:db8::7"));
    CHECK(filter.guard.known() == 0);
}

TEST_CASE("a known source ends by itself where no daemon ends it") {
    const PinDirectory directory;
    Guarded filter(directory.pins());
    filter.set_up();
    filter.guard.admit(address("192.0.2.7"), BootClock::now() - xdp::SynGuard::kRetransmissions - 1s);
    CHECK(filter.guard.known() == 1);
    CHECK(filter.drops_from("192.0.2.7"));
}

TEST_CASE("exactly the known sources pass, also where they share a bit") {
    const PinDirectory directory;
    Guarded filter(directory.pins());
    filter.set_up();
    const BootTime now = BootClock::now();
    std::mt19937 random(20261122); // the same sources in every run
    std::set<Address> known;
    const auto any = [&] {
        return Address::v4(static_cast<std::uint8_t>(10 + random() % 2), static_cast<std::uint8_t>(random()),
                           static_cast<std::uint8_t>(random()), 1);
    };
    while (known.size() < 20000)
        known.insert(any());
    for (const Address& source : known)
        filter.guard.admit(source, now + 30s);
    for (const Address& source : known)
        REQUIRE_FALSE(filter.drops_from(source));
    for (int i = 0; i < 20000; ++i)
        if (const Address source = any(); !known.contains(source))
            REQUIRE(filter.drops_from(source));
    // Every second one ends; none takes a bit from one that stays.
    bool odd = false;
    for (const Address& source : known)
        if ((odd = !odd))
            filter.guard.limit(source, now - 130s);
    filter.guard.expire(now);
    odd = false;
    for (const Address& source : known)
        REQUIRE(filter.drops_from(source) == (odd = !odd));
}

TEST_CASE("allowed networks pass, of every length") {
    const PinDirectory directory;
    Guarded filter(directory.pins());
    filter.set_up();
    CHECK_FALSE(filter.drops_from("198.51.100.1"));
    CHECK_FALSE(filter.drops_from("2001:db8:a:1::1"));
    CHECK(filter.drops_from("198.51.101.1")); // of the same first 16 bits
    CHECK(filter.drops_from("2001:db8:b::1"));
    filter.guard.switch_off();
    filter.allow(
        {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "203.0.113.7", "128.0.0.0/1", "2000::/3", "fd00::1"});
    filter.guard.switch_on(BootClock::now());
    for (const char* inside : {"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.1", "192.168.9.9", "203.0.113.7",
                               "128.0.0.1", "255.1.1.1", "2000::1", "3fff:ffff::1", "fd00::1"})
        CHECK_FALSE_MESSAGE(filter.drops_from(inside), inside);
    for (const char* outside :
         {"9.255.255.255", "11.0.0.0", "127.0.0.1", "100.64.0.1", "1fff::1", "4000::1", "fd00::2"})
        CHECK_MESSAGE(filter.drops_from(outside), outside);
    // Nothing of before is left.
    filter.guard.switch_off();
    filter.allow({});
    filter.guard.switch_on(BootClock::now());
    for (const char* source : {"10.0.0.1", "203.0.113.7", "198.51.100.1", "2000::1"})
        CHECK_MESSAGE(filter.drops_from(source), source);
}

TEST_CASE("switched off nothing is dropped, nor in a dry run") {
    const PinDirectory directory;
    Guarded filter(directory.pins());
    CHECK_FALSE(filter.drops(syn()));
    filter.set_up();
    CHECK(filter.drops(syn()));
    filter.guard.switch_off();
    CHECK_FALSE(filter.drops(syn()));
    Guarded dry(directory.pins() + "-dry", true);
    dry.set_up();
    CHECK_FALSE(dry.drops(syn()));
}

TEST_CASE("the next daemon begins with the guard off, and knows whom the one before it knew") {
    const PinDirectory directory;
    {
        Guarded before(directory.pins());
        before.set_up();
        before.guard.admit(address("192.0.2.7"), BootClock::now() + 30s);
        before.guard.admit(address("192.0.2.8"), BootClock::now() - 131s);
        CHECK(before.guard.is_on());
    }
    Guarded filter(directory.pins());
    CHECK_FALSE(filter.guard.is_on());
    CHECK_FALSE(filter.drops(syn()));
    filter.set_up();
    CHECK(filter.guard.known() == 1);
    CHECK(xdp::keys_of<xk_address>(filter.map_fd(xdp::Map::known_sources)).size() == 1);
    CHECK(bits_in(filter.memory().known) == 1);
    CHECK_FALSE(filter.drops_from("192.0.2.7"));
    CHECK(filter.drops_from("192.0.2.8"));
    filter.guard.expire(BootClock::now() + 161s);
    CHECK(bits_in(filter.memory().known) == 0);
    CHECK(xdp::keys_of<xk_address>(filter.map_fd(xdp::Map::known_sources)).empty());
}

TEST_CASE("each bit is set for what it stands for alone, and goes with the last of it") {
    const PinDirectory directory;
    Guarded filter(directory.pins());
    filter.set_up();
    CHECK(bits_in(filter.memory().ports) == 1 + 16 + 1);
    filter.allow({"10.0.0.0/8", "192.168.0.0/16", "203.0.113.7", "2000::/3", "fd00::1", "ffff::/16"});
    CHECK(bits_in(filter.memory().allowed4) == 256 + 1 + 1);
    CHECK(bits_in(filter.memory().allowed6) == 8192 + 1 + 1);
    CHECK(filter.memory().allowed != 0);
    filter.allow({});
    CHECK(bits_in(filter.memory().allowed4) + bits_in(filter.memory().allowed6) == 0);
    CHECK(filter.memory().allowed == 0);
    const PortRange ssh[] = {PortRange::parse("tcp/22").value()};
    filter.guard.set_ports(ssh);
    CHECK(bits_in(filter.memory().ports) == 1);
    CHECK_FALSE(filter.drops(syn(27015)));
    // Two sources that share a bit, and one whose bit is the first of all: what is cleared before it does not reach it.
    const auto bit_of = [](const Address& of) {
        std::uint64_t halves[2];
        std::memcpy(halves, of.bytes.data(), sizeof halves);
        return xk_known_bit(xk_address_hash(halves[0], halves[1]));
    };
    std::map<std::uint32_t, Address> by_bit;
    std::optional<std::pair<Address, Address>> twins;
    std::optional<Address> lowest;
    for (std::uint32_t i = 0; !twins || !lowest; ++i) {
        const Address source = Address::v4(10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                                           static_cast<std::uint8_t>(i));
        if (const auto [other, is_new] = by_bit.emplace(bit_of(source), source); !is_new && !twins)
            twins.emplace(other->second, source);
        if (bit_of(source) < 64)
            lowest = source;
    }
    const BootTime now = BootClock::now();
    filter.guard.admit(twins->first, now + 10s);
    filter.guard.admit(twins->second, now + 20s);
    filter.guard.admit(twins->second, now + 30s);
    CHECK(bits_in(filter.memory().known) == 1);
    filter.guard.expire(now + 140s);
    CHECK(bits_in(filter.memory().known) == 1);
    CHECK(filter.drops_from(twins->first));
    CHECK_FALSE(filter.drops_from(twins->second));
    filter.guard.expire(now + 160s);
    CHECK(bits_in(filter.memory().known) == 0);
    filter.guard.admit(*lowest, now + 30s);
    filter.set_up();
    CHECK_FALSE(filter.drops_from(*lowest));
}

TEST_CASE("only an array of a guard's size is switched off, of whatever release") {
    const PinDirectory directory;
    Guarded filter(directory.pins());
    LIBBPF_OPTS(bpf_map_create_opts, options);
    const auto make = [&](int release, bpf_map_type type, std::uint32_t key, std::uint32_t value) {
        Fd map(bpf_map_create(type, nullptr, key, value, 1, &options));
        REQUIRE(map);
        const std::string maps = directory.pins() + "/maps" + std::to_string(release);
        std::filesystem::create_directory(maps);
        REQUIRE(bpf_obj_pin(map.get(), (maps + "/syn_guard").c_str()) == 0);
        return map;
    };
    constexpr std::uint32_t kLarge = (1 << 20) + 1;
    const Fd small = make(101, BPF_MAP_TYPE_ARRAY, 4, 8), largest = make(105, BPF_MAP_TYPE_ARRAY, 4, kLarge - 1),
             large = make(102, BPF_MAP_TYPE_ARRAY, 4, kLarge), hash = make(103, BPF_MAP_TYPE_HASH, 64, 8),
             each = make(104, BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8);
    const std::uint32_t zero = 0;
    std::vector<std::uint8_t> value(kLarge, 1);
    for (const Fd* map : {&small, &largest, &large, &each})
        REQUIRE(bpf_map_update_elem(map->get(), &zero, value.data(), BPF_ANY) == 0);
    xdp::switch_syn_guards_off(directory.pins());
    const auto is_off = [&](const Fd& map) {
        REQUIRE(bpf_map_lookup_elem(map.get(), &zero, value.data()) == 0);
        return value[0] == 0;
    };
    CHECK(is_off(small));
    CHECK(is_off(largest));
    CHECK_FALSE(is_off(large));
    CHECK_FALSE(is_off(each));
    std::array<char, 64> key{};
    CHECK(bpf_map_get_next_key(hash.get(), nullptr, key.data()) != 0);
}

TEST_CASE("pins that are taken away leave no guard on behind them") {
    const PinDirectory directory;
    Guarded filter(directory.pins());
    filter.set_up();
    CHECK(filter.drops(syn()));
    REQUIRE(xdp::Filter::remove_pins(directory.pins()));
    CHECK_FALSE(filter.drops(syn()));
}

TEST_CASE("the next filter of a process knows whom the guard knows, also where somebody removed pins") {
    for (const char* gone : {"/syn_guard", "/known_sources", "/allowed_networks", ""}) {
        CAPTURE(gone);
        const PinDirectory directory;
        Guarded filter(directory.pins());
        filter.set_up();
        filter.guard.admit(address("192.0.2.7"), BootClock::now() + 30s);
        std::filesystem::remove_all(xdp::maps_directory(directory.pins()) + gone);
        filter.load_again(directory.pins());
        filter.set_up();
        CHECK(filter.guard.is_on());
        CHECK_FALSE(filter.drops_from("192.0.2.7"));
        CHECK(filter.drops_from("192.0.2.8"));
        CHECK_FALSE(filter.drops_from("198.51.100.1"));
        filter.guard.admit(address("192.0.2.8"), BootClock::now() + 30s);
        CHECK_FALSE(filter.drops_from("192.0.2.8"));
    }
}

TEST_CASE("what the kernel refuses leaves the guard off, and is said") {
    const PinDirectory directory;
    Guarded filter(directory.pins());
    filter.set_up();
    const std::vector<Prefix> networks{Prefix::parse("10.0.0.0/8").value()};
    const auto refused = [&](bpf_cmd command) {
        const auto result = refusing(SYS_bpf, command, ENOMEM, [&] { return filter.guard.set_allowed(networks); });
        return result ? std::string() : result.error().message;
    };
    filter.guard.switch_off();
    CHECK(refused(BPF_MAP_DELETE_ELEM) == "clearing the filter's allowed networks: Cannot allocate memory");
    CHECK(refused(BPF_MAP_UPDATE_ELEM) == "writing the filter's allowed networks: Cannot allocate memory");
    filter.allow({});
    const BootTime now = BootClock::now();
    const auto admit = [&](const char* source) {
        return refusing(SYS_bpf, BPF_MAP_UPDATE_ELEM, ENOMEM, [&, source] {
            filter.guard.admit(address(source), now + 30s);
            return filter.guard.is_on();
        });
    };
    // While it is off anyway nobody needs to know.
    CHECK_FALSE(admit("192.0.2.7"));
    CHECK(filter.notes.empty());
    filter.guard.expire(now + 160s);
    CHECK(filter.notes.empty());
    CHECK_FALSE(filter.guard.is_on());
    filter.guard.switch_on(now);
    CHECK(filter.drops_from("192.0.2.7"));
    CHECK_FALSE(admit("192.0.2.7"));
    CHECK_FALSE(filter.drops_from("192.0.2.7"));
    CHECK(filter.notes == std::vector<std::string>{"SYNs without a grant are left to nftables for a while: writing the "
                                                   "filter's known sources: Cannot allocate memory"});
    // What cannot be shortened stays.
    filter.guard.admit(address("192.0.2.8"), now + 30s);
    CHECK(refusing(SYS_bpf, BPF_MAP_UPDATE_ELEM, ENOMEM, [&] {
        filter.guard.limit(address("192.0.2.8"), now);
        filter.guard.expire(now + 159s);
        return filter.guard.known() == 1;
    }));
    filter.guard.expire(now + 160s);
    CHECK(filter.guard.known() == 0);
    CHECK(filter.guard.is_on());
    CHECK(filter.notes.size() == 2);
    CHECK(filter.notes.back() == "SYNs without a grant are dropped at the NIC again");
    // Who switches it off meanwhile keeps it off.
    CHECK_FALSE(admit("192.0.2.7"));
    filter.guard.switch_off();
    filter.guard.expire(now + 200s);
    CHECK_FALSE(filter.guard.is_on());
    CHECK(filter.notes.size() == 3);
}

TEST_CASE("without its memory a guard does not begin, and is never on") {
    const PinDirectory directory;
    xdp::Filter filter = directory.load();
    xdp::SynGuard guard(filter, [](const std::string& note) { FAIL(note); });
    const auto refused = refusing(
        SYS_mmap, MAP_SHARED, ENOMEM, [&] { return guard.take_over(BootClock::now()).error().message; }, 3);
    CHECK(refused == "mapping the filter's guard of SYNs: Cannot allocate memory");
    CHECK_FALSE(guard.is_on());
    guard.switch_on(BootClock::now());
    CHECK_FALSE(guard.is_on());
}

TEST_CASE("where no source can be written down any more, the guard is off until it is over") {
    const PinDirectory directory;
    Guarded filter(directory.pins());
    filter.set_up();
    const BootTime now = BootClock::now();
    const auto source = [](std::uint32_t i) {
        return Address::v4(10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                           static_cast<std::uint8_t>(i));
    };
    for (std::uint32_t i = 0; i < XK_MAX_KNOWN_SOURCES; ++i)
        filter.guard.admit(source(i), now + 60s);
    CHECK(filter.guard.is_on());
    CHECK(filter.notes.empty());
    filter.guard.admit(address("192.0.2.7"), now + 30s);
    filter.guard.admit(address("192.0.2.8"), now + 20s);
    CHECK_FALSE(filter.guard.is_on());
    CHECK_FALSE(filter.drops_from("192.0.2.7"));
    CHECK(filter.notes.size() == 1);
    filter.guard.switch_off();
    filter.guard.switch_on(now); // a reload in between
    CHECK_FALSE(filter.guard.is_on());
    filter.guard.expire(now + 159s);
    CHECK_FALSE(filter.guard.is_on());
    filter.guard.switch_on(now + 160s); // a reload at that moment
    CHECK(filter.guard.is_on());
    filter.guard.switch_on(now + 159s);
    CHECK_FALSE(filter.guard.is_on());
    filter.guard.expire(now + 160s);
    CHECK(filter.guard.is_on());
    CHECK(filter.notes.size() == 2);
    filter.guard.expire(now + 161s); // it is said once
    CHECK(filter.notes.size() == 2);
}
