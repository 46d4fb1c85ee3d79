// SPDX-License-Identifier: MIT
//
// The packet table: at least one row for every exit of the filter and for every shape of header.
#include "filter.h"
#include "own_network.h"

#include "protocol/base/fd.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

using namespace xk;
using test::Filter;
using test::FrameSpec;

namespace {

FrameSpec knock(std::uint8_t seed = 0) {
    FrameSpec spec;
    spec.payload = Filter::sealed(seed);
    return spec;
}

FrameSpec knock6() {
    FrameSpec spec = knock();
    spec.source = test::address("2001:db8::7");
    spec.destination = test::address("2001:db8::1");
    return spec;
}

void expect(Filter& filter, const FrameSpec& spec, int action, std::vector<int> counters, const char* what = "") {
    const auto verdict = filter.run(spec);
    CHECK_MESSAGE(verdict.action == action, what);
    CHECK_MESSAGE(verdict.counters == counters, what);
    const bool candidate = !counters.empty() && counters.front() == XK_CANDIDATE;
    CHECK_MESSAGE(verdict.record.has_value() == candidate, what);
}

void expect_passed(Filter& filter, const FrameSpec& spec, const char* what = "") {
    expect(filter, spec, XDP_PASS, {}, what);
}

void expect_dropped(Filter& filter, const FrameSpec& spec, int counter, const char* what = "") {
    expect(filter, spec, XDP_DROP, {counter}, what);
}

} // namespace

TEST_CASE("the verifier takes both programs") {
    const Filter filter; // fails the test where they do not load
    CHECK(filter.records() == 0);
}

TEST_CASE("every map has the shape that the daemon counts on") {
    Filter filter;
    // Tables of the daemon's that are mostly empty are not allocated beforehand; the guard is mapped into its memory.
    const std::uint32_t lazy = BPF_F_NO_PREALLOC;
    const test::MapShape expected[] = {
        {"tags", BPF_MAP_TYPE_HASH, 8, sizeof(xk_tag), XK_MAX_TAGS, lazy},
        {"credentials", BPF_MAP_TYPE_ARRAY, 4, sizeof(xk_credential), XK_MAX_CREDENTIALS, 0},
        {"seen", BPF_MAP_TYPE_LRU_HASH, sizeof(xk_seen), 8, XK_MAX_SEEN, 0},
        {"local_addresses", BPF_MAP_TYPE_HASH, sizeof(xk_address), 4, XK_MAX_LOCAL, lazy},
        {"banned_addresses", BPF_MAP_TYPE_HASH, sizeof(xk_address), 8, XK_MAX_BANNED_ADDRESSES, lazy},
        {"banned_networks", BPF_MAP_TYPE_LPM_TRIE, sizeof(xk_prefix), 8, XK_MAX_BANNED_NETWORKS, lazy},
        {"candidates", BPF_MAP_TYPE_RINGBUF, 0, 0, XK_RING_SIZE, 0},
        {"counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, XK_COUNTERS, 0},
        {"syn_guard", BPF_MAP_TYPE_ARRAY, 4, sizeof(xk_syn_guard), 1, BPF_F_MMAPABLE},
        {"known_sources", BPF_MAP_TYPE_HASH, sizeof(xk_address), 8, XK_MAX_KNOWN_SOURCES, lazy},
        {"allowed_networks", BPF_MAP_TYPE_LPM_TRIE, sizeof(xk_prefix), 4, XK_MAX_ALLOWED_NETWORKS, lazy},
        {"forwarding", BPF_MAP_TYPE_ARRAY, 4, 4, 1, 0},
        {"sequence_steps", BPF_MAP_TYPE_HASH, sizeof(xk_step_key), sizeof(xk_step), XK_MAX_STEPS, lazy},
        {"sequence_slots", BPF_MAP_TYPE_ARRAY, 4, sizeof(xk_sequence_slot), XK_SEQUENCE_SLOTS, 0},
        {"progress_locks", BPF_MAP_TYPE_ARRAY, 4, 4, XK_PROGRESS_LOCKS, 0},
        {"sequence_failures", BPF_MAP_TYPE_ARRAY, 4, sizeof(xk_bucket), 1, 0},
        {"hello_peers", BPF_MAP_TYPE_LRU_HASH, sizeof(xk_peer), 8, XK_MAX_PEERS, 0},
        {"sequence_progress", BPF_MAP_TYPE_LRU_HASH, sizeof(xk_progress_key), sizeof(xk_progress), XK_MAX_PROGRESS, 0},
        {"legacy_buckets", BPF_MAP_TYPE_ARRAY, 4, sizeof(xk_bucket), XK_LEGACY_BUCKETS, 0},
        {"legacy_record", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(xk_legacy_record), 1, 0},
    };
    for (const test::MapShape& shape : expected) {
        CAPTURE(shape.name);
        CHECK(filter.shape_of(shape.name) == shape);
    }
}

TEST_CASE("a genuine knock becomes one record that holds everything about it") {
    Filter filter;
    for (const FrameSpec& spec : {knock(), knock6()}) {
        const auto verdict = filter.run(spec);
        CHECK(verdict.action == XDP_DROP);
        CHECK(verdict.counters == std::vector<int>{XK_CANDIDATE});
        REQUIRE(verdict.record.has_value());
        const xk_record& r = verdict.record->head;
        CHECK(r.kind == XK_RECORD_PACKET);
        CHECK(r.version == XK_PACKET_RECORD_VERSION);
        CHECK(r.length == sizeof(xk_packet_record));
        CHECK(std::memcmp(r.source.bytes, spec.source.bytes.data(), 16) == 0);
        CHECK(std::memcmp(r.destination.bytes, spec.destination.bytes.data(), 16) == 0);
        CHECK(std::memcmp(verdict.record->packet, spec.payload.data(), XK_PACKET_SIZE) == 0);
        CHECK(r.credential == Filter::kCredential);
        CHECK(r.slot == Filter::kSlot);
        CHECK(r.source_port == 40000);
        CHECK(r.interface == 1); // test runs come from lo
        CHECK(r.arrived > 0);
        CHECK(r.arrived <= static_cast<std::uint64_t>(BootClock::now().time_since_epoch().count()));
    }
}

TEST_CASE("a tag says what its packets are, and only an authentic hello leaves its peer") {
    Filter filter;
    CHECK(filter.run(knock()).record->head.kind == XK_RECORD_PACKET);
    CHECK(filter.hello_peers().empty());
    filter.publish(Filter::keys(), Filter::kSlot, 0, ~0ull, Filter::kCredential, XK_RECORD_HANDSHAKE_REQUEST);
    CHECK(filter.run(knock(1)).record->head.kind == XK_RECORD_HANDSHAKE_REQUEST);
    CHECK(filter.hello_peers().empty());
    filter.publish(Filter::keys(), Filter::kSlot, 0, ~0ull, Filter::kCredential, XK_RECORD_HELLO);
    FrameSpec wrong = knock(2);
    wrong.payload[100] ^= 1;
    CHECK(filter.run(wrong).counters == std::vector<int>{XK_MAC});
    CHECK(filter.hello_peers().empty());
    for (const FrameSpec& hello : {knock(3), knock6()}) {
        CHECK(filter.run(hello).record->head.kind == XK_RECORD_HELLO);
        const auto peers = filter.hello_peers();
        CHECK(std::any_of(peers.begin(), peers.end(), [&](const xk_peer& peer) {
            return std::memcmp(peer.source.bytes, hello.source.bytes.data(), 16) == 0 &&
                   std::memcmp(peer.destination.bytes, hello.destination.bytes.data(), 16) == 0 &&
                   peer.source_port == 40000;
        }));
    }
    CHECK(filter.hello_peers().size() == 2);
}

TEST_CASE("the MAC of the filter is libsodium's, whatever the bytes") {
    Filter filter([](xk_settings& s) { s.knock_burst = 1'000'000'000; });
    for (int i = 0; i < 2000; ++i)
        CHECK(filter.run(knock(static_cast<std::uint8_t>(i))).counters == std::vector<int>{XK_CANDIDATE});
}

TEST_CASE("a packet that is not UDP to the knock port passes untouched and uncounted") {
    Filter filter;
    FrameSpec spec = knock();
    spec.destination_port = 62202;
    expect_passed(filter, spec, "another port");
    spec = knock();
    spec.protocol = 6;
    expect_passed(filter, spec, "TCP");
    spec = knock6();
    spec.ipv6_first = 6;
    expect_passed(filter, spec, "TCP over IPv6");
    test::Frame arp(60, 0);
    arp[12] = 0x08;
    arp[13] = 0x06;
    CHECK(filter.run(arp).action == XDP_PASS);
    spec = knock();
    spec.version = 5;
    expect_passed(filter, spec, "IPv4 header of version 5");
    spec = knock6();
    spec.version = 4;
    expect_passed(filter, spec, "IPv6 header of version 4");
}

TEST_CASE("a knock for another host is transit") {
    Filter filter;
    FrameSpec spec = knock();
    spec.destination = test::address("192.0.2.2");
    expect(filter, spec, XDP_PASS, {XK_TRANSIT});
    spec = knock6();
    spec.destination = test::address("2001:db8::2");
    expect(filter, spec, XDP_PASS, {XK_TRANSIT});
}

TEST_CASE("without Ethernet header it is read from the IP header on, and only by the program for that") {
    Filter filter;
    filter.guard_ssh();
    std::uint8_t seed = 0;
    for (const bool v4 : {true, false}) {
        FrameSpec spec = v4 ? knock() : knock6();
        spec.payload = Filter::sealed(++seed);
        const auto verdict = filter.run_bare(spec);
        CHECK(verdict.action == XDP_DROP);
        CHECK(verdict.counters == std::vector<int>{XK_CANDIDATE});
        REQUIRE(verdict.record);
        CHECK(std::memcmp(verdict.record->head.source.bytes, spec.source.bytes.data(), 16) == 0);
        CHECK(std::memcmp(verdict.record->head.destination.bytes, spec.destination.bytes.data(), 16) == 0);
        CHECK(std::memcmp(verdict.record->packet, spec.payload.data(), XK_PACKET_SIZE) == 0);
        CHECK(verdict.record->head.source_port == 40000);
        CHECK(filter.run_bare(spec).counters == std::vector<int>{XK_SEEN});
        CHECK(filter.run_bare(test::tcp(spec, test::kSyn)).counters == std::vector<int>{XK_SYN});
        CHECK(filter.run_bare(test::tcp(spec, test::kAck)).action == XDP_PASS);
        spec.payload.push_back(0);
        CHECK(filter.run_bare(spec).counters == std::vector<int>{XK_LENGTH});
        spec.version = v4 ? 6 : 4;
        CHECK(filter.run_bare(spec).counters.empty());
        spec.version = 5;
        CHECK(filter.run_bare(spec).counters.empty());
        spec.version = 0;
        const auto packet = test::without_ethernet(test::build(spec));
        CHECK(filter.run(packet).counters.empty());
        CHECK(filter.run_bare(test::build(spec)).counters.empty());
    }
    filter.ban("192.0.2.7");
    CHECK(filter.run_bare(test::tcp(knock(), test::kAck)).counters == std::vector<int>{XK_BANNED});
}

namespace {

// Sends a datagram to each exit for noise, and some that know a tag.
void expect_answers_pass(Filter& filter, bool pass) {
    const int action = pass ? XDP_PASS : XDP_DROP;
    static std::uint8_t seed = 100;
    for (FrameSpec spec : {knock(), knock6()}) {
        spec.payload = Filter::sealed(++seed);
        expect(filter, spec, XDP_DROP, {XK_CANDIDATE});
        expect(filter, spec, XDP_DROP, {XK_SEEN});
        FrameSpec other = spec;
        other.payload[wire::kMacOffset] ^= 1;
        expect(filter, other, XDP_DROP, {XK_MAC});
        other = spec;
        other.payload[wire::kTagOffset] ^= 1;
        expect(filter, other, action, {XK_TAG}, "192 bytes that are no knock");
        other.payload.resize(100);
        expect(filter, other, action, {XK_LENGTH}, "other lengths");
        other.source = other.destination;
        other.payload.resize(192);
        expect(filter, other, XDP_DROP, {XK_SOURCE}, "from ourselves");
    }
}

} // namespace

TEST_CASE("where the host forwards, a possible answer passes, and nothing else") {
    Filter filter;
    expect_answers_pass(filter, false);
    filter.forward(true);
    expect_answers_pass(filter, true);
    filter.forward(false);
    expect_answers_pass(filter, false);
}

namespace {

const char* const kAddresses = "ip link set lo up && ip addr add 192.0.2.1/24 dev lo && "
                               "ip addr add 192.0.2.9/24 dev lo && ip addr add 2001:db8::1/64 dev lo nodad && "
                               "ip addr add 2001:db8::9/64 dev lo nodad";

struct Name {
    sockaddr_storage storage{};
    socklen_t size = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Name name_of(const Address& address, std::uint16_t port) {
    Name name;
    if (address.is_v4()) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        std::memcpy(&in.sin_addr, address.bytes.data() + 12, sizeof in.sin_addr);
        std::memcpy(&name.storage, &in, name.size = sizeof in);
    } else {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(port);
        std::memcpy(&in.sin6_addr, address.bytes.data(), sizeof in.sin6_addr);
        std::memcpy(&name.storage, &in, name.size = sizeof in);
    }
    return name;
}

// Bound to one of our addresses, of that family alone; connected where there is a peer.
Fd socket_at(const char* own, std::uint16_t port, const char* peer = nullptr, std::uint16_t peer_port = 0) {
    const Name name = name_of(test::address(own), port);
    Fd socket(::socket(name.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const int yes = 1;
    if (name.storage.ss_family == AF_INET6)
        REQUIRE(::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) == 0);
    REQUIRE(::bind(socket.get(), name.get(), name.size) == 0);
    if (peer != nullptr) {
        const Name other = name_of(test::address(peer), peer_port);
        REQUIRE(::connect(socket.get(), other.get(), other.size) == 0);
    }
    return socket;
}

FrameSpec noise(bool v4) {
    FrameSpec spec = v4 ? knock() : knock6();
    spec.payload.assign(100, 7);
    return spec;
}

} // namespace

TEST_CASE("a possible answer for a socket of this host passes") {
    const test::OwnNetwork network(kAddresses);
    Filter filter;
    for (const int port : {62202, 62201}) {
        const Fd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)); // of both families
        const Name any = name_of(Address{}, static_cast<std::uint16_t>(port));
        REQUIRE(::bind(socket.get(), any.get(), any.size) == 0);
        expect_answers_pass(filter, port == 62201);
    }
    expect_answers_pass(filter, false);
}

TEST_CASE("a socket of one family and one address of ours waits for nothing at another") {
    const test::OwnNetwork network(kAddresses);
    Filter filter;
    filter.add_local("192.0.2.9");
    filter.add_local("2001:db8::9");
    for (const bool v4 : {true, false}) {
        const Fd socket = socket_at(v4 ? "192.0.2.1" : "2001:db8::1", 62201);
        expect(filter, noise(v4), XDP_PASS, {XK_LENGTH}, "for it");
        expect_dropped(filter, noise(!v4), XK_LENGTH, "of the other family");
        FrameSpec spec = noise(v4);
        spec.destination = test::address(v4 ? "192.0.2.9" : "2001:db8::9");
        expect_dropped(filter, spec, XK_LENGTH, "at another address of ours");
    }
}

TEST_CASE("a connected socket waits for its peer alone") {
    const test::OwnNetwork network(kAddresses);
    Filter filter;
    for (const bool v4 : {true, false}) {
        const Fd socket = socket_at(v4 ? "192.0.2.1" : "2001:db8::1", 62201, v4 ? "192.0.2.7" : "2001:db8::7", 40000);
        expect(filter, noise(v4), XDP_PASS, {XK_LENGTH}, "the peer");
        FrameSpec spec = noise(v4);
        spec.source = test::address(v4 ? "192.0.2.8" : "2001:db8::8");
        expect_dropped(filter, spec, XK_LENGTH, "somebody else");
        spec = noise(v4);
        spec.source_port = 40001;
        expect_dropped(filter, spec, XK_LENGTH, "another port of the peer");
    }
}

TEST_CASE("VLAN tags up to two deep are understood, deeper ones pass") {
    constexpr std::uint16_t q = 0x8100, ad = 0x88a8;
    std::uint8_t seed = 0;
    Filter filter;
    for (const auto& vlans : std::vector<std::vector<std::uint16_t>>{{q}, {ad}, {ad, q}, {q, q}}) {
        FrameSpec spec = knock(++seed);
        spec.vlans = vlans;
        expect_dropped(filter, spec, XK_CANDIDATE);
        spec = knock6();
        spec.vlans = vlans;
        spec.payload = Filter::sealed(++seed);
        expect_dropped(filter, spec, XK_CANDIDATE);
    }
    FrameSpec spec = knock(100);
    spec.vlans = {ad, q, q};
    expect_passed(filter, spec);
}

TEST_CASE("IPv4 options and IPv6 extension headers are no knock and pass to nftables") {
    Filter filter;
    FrameSpec spec = knock();
    spec.ipv4_options = {1, 1, 1, 1};
    expect_passed(filter, spec, "IPv4 options");
    for (const int header : {0, 43, 44, 51, 60, 135}) {
        spec = knock6();
        spec.ipv6_first = static_cast<std::uint8_t>(header);
        spec.ipv6_chain = {17, 0, 1, 4, 0, 0, 0, 0};
        expect_passed(filter, spec, "IPv6 extension header");
    }
    spec = knock6();
    spec.ipv6_first = 0;
    for (int i = 0; i < 8; ++i) {
        spec.ipv6_chain.insert(spec.ipv6_chain.end(), {60, 0, 1, 4, 0, 0, 0, 0});
        spec.ipv6_chain[spec.ipv6_chain.size() - 8] = i == 7 ? 17 : 60;
    }
    expect_passed(filter, spec, "eight extension headers");
}

TEST_CASE("fragments are no knock and pass to nftables") {
    Filter filter;
    FrameSpec spec = knock();
    spec.fragment = 0x2000; // more fragments, offset 0
    expect_passed(filter, spec, "first");
    spec.fragment = 0x2001;
    expect_passed(filter, spec, "in the middle");
    spec.fragment = 0x0001;
    expect_passed(filter, spec, "last");
    spec.fragment = 0x4000; // don't fragment
    expect_dropped(filter, spec, XK_CANDIDATE);
}

TEST_CASE("the length must be right in every header and in the frame") {
    Filter filter;
    for (int delta = -8; delta <= 8; ++delta) {
        if (delta == 0)
            continue;
        FrameSpec spec = knock();
        spec.payload.resize(static_cast<std::size_t>(192 + delta));
        expect_dropped(filter, spec, XK_LENGTH, "payload");
        spec = knock();
        spec.udp_length = static_cast<std::uint16_t>(200 + delta);
        expect_dropped(filter, spec, XK_LENGTH, "UDP length");
        spec = knock();
        spec.ip_length = static_cast<std::uint16_t>(220 + delta);
        expect_dropped(filter, spec, XK_LENGTH, "IPv4 length");
        spec = knock6();
        spec.ip_length = static_cast<std::uint16_t>(200 + delta);
        expect_dropped(filter, spec, XK_LENGTH, "IPv6 length");
    }
    for (const std::size_t size : {0u, 1u, 15u, 16u, 191u, 193u, 1472u}) {
        FrameSpec spec = knock();
        spec.payload.resize(size);
        expect_dropped(filter, spec, XK_LENGTH, "payload size");
    }
    FrameSpec spec = knock();
    spec.ip_length = 0;
    expect_dropped(filter, spec, XK_LENGTH, "IPv4 length below its header");
    spec = knock();
    spec.udp_length = 0;
    expect_dropped(filter, spec, XK_LENGTH, "UDP length zero");
    spec = knock();
    spec.trailer = 4;
    expect_dropped(filter, spec, XK_CANDIDATE, "a trailer behind the IP packet is the link's");
}

TEST_CASE("a frame that is cut at any byte neither passes as a knock nor crashes anything") {
    for (const FrameSpec& spec : {knock(), knock6()}) {
        Filter filter;
        const test::Frame whole = build(spec);
        const std::size_t udp_end = whole.size() - 192;
        for (std::size_t size = 14; size < whole.size(); ++size) {
            const auto verdict = filter.run(test::Frame(whole.begin(), whole.begin() + static_cast<long>(size)));
            CHECK(verdict.action == (size < udp_end ? XDP_PASS : XDP_DROP));
            CHECK(verdict.counters == (size < udp_end ? std::vector<int>{} : std::vector<int>{XK_LENGTH}));
            CHECK_FALSE(verdict.record.has_value());
        }
        CHECK(filter.run(whole).record.has_value());
    }
}

TEST_CASE("sources that cannot be are dropped") {
    Filter filter;
    FrameSpec spec = knock();
    for (const char* source : {"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.9.9.9", "224.0.0.1", "239.1.1.1", "240.0.0.1",
                               "255.255.255.255", "192.0.2.1"}) {
        spec.source = test::address(source);
        expect_dropped(filter, spec, XK_SOURCE, source);
    }
    spec = knock6();
    for (const char* source : {"::", "::1", "::192.0.2.7", "ff02::1", "2001:db8::1"}) {
        spec.source = test::address(source);
        expect_dropped(filter, spec, XK_SOURCE, source);
    }
    spec.source = test::address("192.0.2.7"); // ::ffff:192.0.2.7 in an IPv6 header
    expect_dropped(filter, spec, XK_SOURCE, "v4-mapped on the wire");
}

TEST_CASE("an unknown tag is dropped") {
    Filter filter;
    FrameSpec spec = knock();
    spec.payload = Filter::sealed(0, Filter::kSlot + 1);
    expect_dropped(filter, spec, XK_TAG, "a slot that is not published");
    spec.payload.assign(192, 0);
    expect_dropped(filter, spec, XK_TAG, "zeros");
    spec.payload.assign(192, 0xff);
    expect_dropped(filter, spec, XK_TAG, "ones");
}

TEST_CASE("a tag lives from its not-before to its expiry") {
    Filter filter;
    const auto now = static_cast<std::uint64_t>(BootClock::now().time_since_epoch().count());
    filter.publish(Filter::keys(), Filter::kSlot, now + 3'600'000'000'000);
    expect_dropped(filter, knock(), XK_EXPIRED, "not yet");
    filter.publish(Filter::keys(), Filter::kSlot, 0, now);
    expect_dropped(filter, knock(), XK_EXPIRED, "no more");
    filter.publish(Filter::keys(), Filter::kSlot, now - 1, now + 3'600'000'000'000);
    expect_dropped(filter, knock(), XK_CANDIDATE);
}

TEST_CASE("a disabled credential is dropped at once") {
    Filter filter;
    filter.disable(Filter::kCredential + 1);
    expect_dropped(filter, knock(1), XK_CANDIDATE, "another one is disabled");
    filter.disable(Filter::kCredential);
    expect_dropped(filter, knock(2), XK_DISABLED);
}

TEST_CASE("a credential index that is out of range is dropped") {
    Filter filter;
    filter.publish(Filter::keys(), Filter::kSlot, 0, ~0ull, XK_MAX_CREDENTIALS);
    expect_dropped(filter, knock(), XK_DISABLED);
}

TEST_CASE("every single changed bit is dropped, and the genuine packet behind it still counts") {
    Filter filter;
    const FrameSpec genuine = knock();
    for (std::size_t bit = 0; bit < 8 * genuine.payload.size(); ++bit) {
        FrameSpec changed = genuine;
        changed.payload[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
        expect_dropped(filter, changed, bit < 64 ? XK_TAG : XK_MAC);
    }
    expect_dropped(filter, genuine, XK_CANDIDATE);
}

TEST_CASE("an exact copy is dropped, from any source") {
    Filter filter;
    FrameSpec spec = knock();
    expect_dropped(filter, spec, XK_CANDIDATE);
    expect_dropped(filter, spec, XK_SEEN);
    spec.source = test::address("192.0.2.99");
    expect_dropped(filter, spec, XK_SEEN, "an attacker's address");
    const auto verdict = filter.run(build(spec), 1000);
    CHECK(verdict.counters.size() == 1000);
    CHECK(filter.records() == 1);
}

TEST_CASE("a credential's bucket gives its burst, and no other credential pays for it") {
    Filter filter([](xk_settings& s) {
        s.knock_burst = 4;
        s.knock_interval = 3'600'000'000'000;
    });
    for (std::uint8_t i = 0; i < 4; ++i)
        expect_dropped(filter, knock(i), XK_CANDIDATE);
    expect_dropped(filter, knock(4), XK_RATE);
    CredentialKeys other;
    derive_keys(other, Key{9}, wire::ServerId{2}, wire::CredentialId{4});
    filter.publish(other, Filter::kSlot, 0, ~0ull, Filter::kCredential + 1);
    FrameSpec spec = knock();
    const auto packet = seal_packet(other, Filter::kSlot, wire::Nonce{1}, RequestBytes{});
    spec.payload.assign(packet.begin(), packet.end());
    expect_dropped(filter, spec, XK_CANDIDATE);
}

TEST_CASE("the bucket fills again") {
    Filter filter([](xk_settings& s) {
        s.knock_burst = 1;
        s.knock_interval = 2'000'000; // 2 ms
    });
    expect_dropped(filter, knock(0), XK_CANDIDATE);
    const auto due = BootClock::now() + std::chrono::milliseconds(3);
    while (BootClock::now() < due) {
    }
    expect_dropped(filter, knock(1), XK_CANDIDATE);
}

TEST_CASE("a replay costs no ring space, and a full ring does not spoil the retry") {
    Filter filter([](xk_settings& s) { s.knock_burst = 1'000'000; });
    filter.stop_consuming();
    int stored = 0;
    FrameSpec refused;
    for (int i = 0; i < 20000; ++i) {
        const FrameSpec spec = knock(static_cast<std::uint8_t>(i));
        const auto counters = filter.run(spec).counters;
        REQUIRE(counters.size() == 1);
        if (counters.front() == XK_RING_FULL) {
            refused = spec;
            break;
        }
        REQUIRE(counters.front() == XK_CANDIDATE);
        ++stored;
    }
    CHECK(stored > 15000); // XK_RING_SIZE / (256 + 8)
    CHECK(stored < 16000);
    expect_dropped(filter, refused, XK_RING_FULL, "the copy finds the ring as full as before");
    filter.consume();
    CHECK(filter.records() == static_cast<std::size_t>(stored));
    CHECK(filter.run(refused).counters == std::vector<int>{XK_CANDIDATE});
    CHECK(filter.run(refused).counters == std::vector<int>{XK_SEEN});
}

TEST_CASE("a banned source is dropped with whatever it sends") {
    Filter filter;
    filter.ban("192.0.2.7");
    filter.ban("2001:db8:bad::/48");
    expect_dropped(filter, knock(1), XK_BANNED, "a knock");
    FrameSpec spec = knock();
    spec.destination_port = 53;
    expect_dropped(filter, spec, XK_BANNED, "another port");
    spec.protocol = 6;
    expect_dropped(filter, spec, XK_BANNED, "TCP");
    spec.ipv4_options = {1, 1, 1, 1};
    expect_dropped(filter, spec, XK_BANNED, "IPv4 options");
    spec = knock(2);
    spec.source = test::address("192.0.2.8");
    expect_dropped(filter, spec, XK_CANDIDATE, "the neighbour is not banned");
    spec = knock6();
    spec.source = test::address("2001:db8:bad:1::7");
    expect_dropped(filter, spec, XK_BANNED, "inside a banned network");
    spec.ipv6_first = 60;
    spec.ipv6_chain = {6, 0, 1, 4, 0, 0, 0, 0};
    expect_dropped(filter, spec, XK_BANNED, "with an extension header");
    spec = knock6();
    spec.source = test::address("2001:db8:bae::7");
    expect_dropped(filter, spec, XK_CANDIDATE, "outside");
}

TEST_CASE("a ban covers a packet of which nothing but the IP header is there") {
    Filter filter;
    filter.ban("192.0.2.7");
    filter.ban("2001:db8::7");
    for (const FrameSpec& spec : {knock(), knock6()}) {
        test::Frame frame = build(spec);
        const std::size_t header = 14u + (spec.source.is_v4() ? 20 : 40);
        frame.resize(header);
        CHECK(filter.run(frame).counters == std::vector<int>{XK_BANNED});
        frame.resize(header - 1);
        CHECK(filter.run(frame).counters.empty());
    }
}

TEST_CASE("bans are looked up only while there are some of their kind") {
    Filter filter;
    filter.ban("192.0.2.7");
    filter.ban("2001:db8::/32");
    filter.count_bans(0, 1);
    expect_dropped(filter, knock(), XK_CANDIDATE);
    expect_dropped(filter, knock6(), XK_BANNED);
    filter.count_bans(1, 0);
    expect_dropped(filter, knock(1), XK_BANNED);
    FrameSpec spec = knock6();
    spec.payload = Filter::sealed(2);
    expect_dropped(filter, spec, XK_CANDIDATE);
}

TEST_CASE("a ban that is over bans no more") {
    Filter filter;
    filter.ban("192.0.2.7", 1);
    filter.ban("192.0.2.0/24", 1);
    expect_dropped(filter, knock(), XK_CANDIDATE);
}

TEST_CASE("an IPv4 network and an IPv6 network of the same bits are not mixed up") {
    Filter filter;
    filter.ban("0.0.0.0/0");
    expect_dropped(filter, knock(), XK_BANNED);
    expect_dropped(filter, knock6(), XK_CANDIDATE);
}

TEST_CASE("under stealth \"closed\" every knock-port packet is passed on, however many come") {
    Filter filter([](xk_settings& s) { s.stealth = XK_STEALTH_CLOSED; });
    expect(filter, knock(), XDP_PASS, {XK_CANDIDATE});
    FrameSpec junk = knock();
    junk.payload.assign(10, 0);
    for (int i = 0; i < 2000; ++i)
        expect(filter, junk, XDP_PASS, {XK_LENGTH});
}

TEST_CASE("in a dry run everything is judged and passed on, and whoever is banned too") {
    Filter filter([](xk_settings& s) { s.stealth = XK_STEALTH_DRY; });
    const FrameSpec spec = knock();
    const auto genuine = filter.run(spec);
    CHECK(genuine.action == XDP_PASS);
    CHECK(genuine.counters == std::vector<int>{XK_CANDIDATE});
    CHECK(genuine.record.has_value());
    expect(filter, spec, XDP_PASS, {XK_SEEN});
    FrameSpec junk = knock();
    junk.payload.assign(10, 0);
    expect(filter, junk, XDP_PASS, {XK_LENGTH});
    filter.ban("192.0.2.0/24");
    expect(filter, knock(), XDP_PASS, {XK_BANNED});
}
