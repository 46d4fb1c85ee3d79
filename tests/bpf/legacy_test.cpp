// SPDX-License-Identifier: MIT
//
// Packets of old clients in the filter: which forms pass, how many, and that nothing else changes.
#include "filter.h"
#include "own_network.h"

#include "protocol/base/fd.h"

#include <nlohmann/json.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <fstream>
#include <set>

using namespace xk;
using nlohmann::json;
using test::address;
using test::Filter;
using test::FrameSpec;

namespace {

constexpr std::uint16_t kKnock = 62201, kJson = 5001, kText = 62202;

struct OldPorts {
    std::uint16_t capyknock = kJson, fwknop = kText;
};

// With these ports; a flood of a test's own packets meets no limit but where it says so.
auto listening(OldPorts ports = {}, xk_stealth stealth = XK_STEALTH_DROP) {
    return [=](xk_settings& s) {
        s.capyknock_port = __builtin_bswap16(ports.capyknock);
        s.fwknop_port = __builtin_bswap16(ports.fwknop);
        s.stealth = stealth;
    };
}

// Each packet of a test has a source of its own, so that no source runs out of tokens.
Address next_source() {
    static std::uint32_t number = 0;
    ++number;
    return Address::v4(10, static_cast<std::uint8_t>(number >> 16), static_cast<std::uint8_t>(number >> 8),
                       static_cast<std::uint8_t>(number));
}

FrameSpec sent(std::string_view text, std::uint16_t port) {
    FrameSpec spec;
    spec.source = next_source();
    spec.payload.assign(text.begin(), text.end());
    spec.destination_port = port;
    return spec;
}

std::string fwknop_text(std::size_t length = 204) {
    std::string text(length, 'A');
    for (std::size_t i = 0; i < length; ++i)
        text[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[i * 7 % 64];
    return text;
}

std::string json_text(std::size_t length = 256) {
    std::string text = R"({"usrnm": "anna", "payload": ")";
    text += std::string(length - text.size() - 2, 'x') + "\"}";
    return text;
}

// The filter allows a limited number a second: the tests with many packets take a fresh one in time.
struct FreshFilter {
    OldPorts ports;
    std::optional<Filter> filter;
    unsigned used = 0;
    Filter& get() {
        if (!filter || ++used == XK_LEGACY_BURST) {
            filter.emplace(listening(ports));
            used = 0;
        }
        return *filter;
    }
};

std::string text_of(const test::Verdict& verdict) {
    return verdict.legacy.size() < sizeof(xk_record)
               ? ""
               : std::string(verdict.legacy.begin() + sizeof(xk_record), verdict.legacy.end());
}

bool is_counted(const test::Verdict& verdict, int counter) { return verdict.counters == std::vector<int>{counter}; }

void expect_taken(Filter& filter, const FrameSpec& spec, xk_record_kind kind) {
    const auto verdict = filter.run(spec);
    CHECK(verdict.action == XDP_DROP);
    CHECK(is_counted(verdict, XK_LEGACY));
    REQUIRE(verdict.legacy.size() == sizeof(xk_record) + spec.payload.size());
    xk_record head;
    std::memcpy(&head, verdict.legacy.data(), sizeof head);
    CHECK(head.kind == kind);
    CHECK(head.version == XK_LEGACY_RECORD_VERSION);
    CHECK(head.length == verdict.legacy.size());
    CHECK(head.source_port == spec.source_port);
    CHECK(std::memcmp(head.source.bytes, spec.source.bytes.data(), 16) == 0);
    CHECK(std::memcmp(head.destination.bytes, spec.destination.bytes.data(), 16) == 0);
    CHECK(head.slot == 0);
    CHECK(head.credential == 0);
    CHECK(head.interface == 1);
    CHECK(head.arrived > 0);
    CHECK(std::memcmp(verdict.legacy.data() + sizeof head, spec.payload.data(), spec.payload.size()) == 0);
}

void expect_refused(Filter& filter, const FrameSpec& spec, int counter, int action = XDP_DROP) {
    const auto verdict = filter.run(spec);
    CHECK(verdict.action == action);
    CHECK(is_counted(verdict, counter));
    CHECK(verdict.legacy.empty());
}

json vectors_of(const char* name) {
    std::ifstream file(std::string(XK_VECTORS) + "/" + name);
    REQUIRE(file);
    return json::parse(file);
}

bool is_base64(int byte) { return std::isalnum(byte) != 0 || byte == '+' || byte == '/'; }
bool is_json(int byte) {
    return byte >= 0x80 || (byte >= 0x20 && byte < 0x7f) || byte == 9 || byte == 10 || byte == 13;
}

// By hand, beside the filter's sum.
std::set<std::size_t> fwknop_lengths() {
    std::set<std::size_t> lengths;
    for (std::size_t blocks = 1; blocks < 60; ++blocks)
        for (const std::size_t hmac : {16u, 20u, 32u, 48u, 64u}) {
            const auto base64 = [](std::size_t bytes) { return (bytes * 8 + 5) / 6; };
            const std::size_t length = base64(16 + 16 * blocks) - 10 + base64(hmac);
            if (length >= 140 && length <= 716)
                lengths.insert(length);
        }
    return lengths;
}

} // namespace

TEST_CASE("while no old client may knock there is no code for them") {
    Filter filter;
    CHECK(filter.run(sent(fwknop_text(), kText)).counters.empty());
    expect_refused(filter, sent(fwknop_text(), kKnock), XK_LENGTH);
    const auto off = filter.code_size();
    const auto one = Filter(listening({0, kText})).code_size(), other = Filter(listening({kJson, 0})).code_size();
    const auto both = Filter(listening()).code_size();
    CHECK(off + 200 * sizeof(bpf_insn) < one);
    CHECK(off + 150 * sizeof(bpf_insn) < other);
    CHECK(std::max(one, other) < both);
}

TEST_CASE("a packet of an old client becomes a record that holds all of it") {
    Filter filter(listening());
    expect_taken(filter, sent(fwknop_text(), kText), XK_RECORD_FWKNOP);
    expect_taken(filter, sent(json_text(), kJson), XK_RECORD_CAPYKNOCK);
    // Without Ethernet header too, and behind a VLAN tag.
    CHECK(text_of(filter.run_bare(sent(json_text(), kJson))) == json_text());
    FrameSpec tagged = sent(fwknop_text(), kText);
    tagged.vlans = {0x8100};
    CHECK(text_of(filter.run(tagged)) == fwknop_text());
}

TEST_CASE("the packets of real clients pass as they are") {
    std::size_t taken = 0;
    Filter filter(listening());
    const json fwknop = vectors_of("fwknop.json"), capyknock = vectors_of("capyknock.json");
    for (const json& each : fwknop.at("packets")) {
        const std::string wire = each.at("wire");
        CAPTURE(each.at("name"));
        if (each.at("name") == "no-hmac") // which is refused
            continue;
        expect_taken(filter, sent(wire, kText), XK_RECORD_FWKNOP);
        ++taken;
    }
    for (const json& each : fwknop.at("crafted")) {
        const std::string wire = each.at("wire");
        CAPTURE(each.at("name"));
        if (each.at("expect").get<std::string>().starts_with("accept"))
            expect_taken(filter, sent(wire, kText), XK_RECORD_FWKNOP);
        if (each.at("name") == "newline-at-end" || each.at("name") == "prefix-not-cut")
            expect_refused(filter, sent(wire, kText), XK_LEGACY_FORM);
    }
    for (const json& each : capyknock.at("vectors")) {
        CAPTURE(each.at("name"));
        expect_taken(filter, sent(each.at("wire").get<std::string>(), kJson), XK_RECORD_CAPYKNOCK);
        ++taken;
    }
    CHECK(taken == fwknop.at("packets").size() - 1 + capyknock.at("vectors").size());
}

TEST_CASE("fwknop: the lengths that its encoding makes, and no other") {
    const auto lengths = fwknop_lengths();
    CHECK(lengths.size() > 60);
    CHECK(lengths.size() < 100);
    FreshFilter fresh{{}, {}};
    for (std::size_t length = 0; length <= 1472; ++length) {
        CAPTURE(length);
        const FrameSpec spec = sent(fwknop_text(length), kText);
        if (lengths.contains(length))
            expect_taken(fresh.get(), spec, XK_RECORD_FWKNOP);
        else
            expect_refused(fresh.get(), spec, XK_LEGACY_FORM);
    }
}

TEST_CASE("capyknock: lengths from 200 to 1024") {
    FreshFilter fresh{{}, {}};
    for (std::size_t length = 64; length <= 1472; ++length) {
        CAPTURE(length);
        const FrameSpec spec = sent(json_text(length), kJson);
        if (length >= XK_FEWEST_CAPYKNOCK && length <= XK_MOST_CAPYKNOCK)
            expect_taken(fresh.get(), spec, XK_RECORD_CAPYKNOCK);
        else
            expect_refused(fresh.get(), spec, XK_LEGACY_FORM);
    }
    expect_refused(fresh.get(), sent("", kJson), XK_LEGACY_FORM);
}

TEST_CASE("each byte at each position is of the client's alphabet") {
    FreshFilter fresh{{}, {}};
    for (const std::size_t length : {204u, 225u}) // with the last word at each kind of place
        for (std::size_t at = 0; at < length; ++at)
            for (const int byte : {0,    0x2a, 0x2b, 0x2c, 0x2e, 0x2f, 0x30, 0x39, 0x3a, 0x40, 0x41, 0x5a,
                                   0x5b, 0x60, 0x61, 0x7a, 0x7b, 0x7f, 0x80, 0xab, 0xb0, 0xe1, 0xff}) {
                CAPTURE(at);
                CAPTURE(byte);
                std::string text = fwknop_text(length);
                text[at] = static_cast<char>(byte);
                CHECK(is_counted(fresh.get().run(sent(text, kText)), is_base64(byte) ? XK_LEGACY : XK_LEGACY_FORM));
            }
    for (const std::size_t length : {256u, 263u})
        for (std::size_t at = 1; at + 1 < length; ++at)
            for (const int byte : {0, 8, 9, 10, 11, 12, 13, 14, 0x1f, 0x20, 0x7e, 0x7f, 0x80, 0x89, 0xff}) {
                CAPTURE(at);
                CAPTURE(byte);
                std::string text = json_text(length);
                text[at] = static_cast<char>(byte);
                CHECK(is_counted(fresh.get().run(sent(text, kJson)), is_json(byte) ? XK_LEGACY : XK_LEGACY_FORM));
            }
}

TEST_CASE("all 256 bytes, in one place") {
    FreshFilter fresh{{}, {}};
    for (int byte = 0; byte < 256; ++byte) {
        CAPTURE(byte);
        std::string text = fwknop_text();
        text[77] = static_cast<char>(byte);
        CHECK(is_counted(fresh.get().run(sent(text, kText)), is_base64(byte) ? XK_LEGACY : XK_LEGACY_FORM));
        text = json_text();
        text[77] = static_cast<char>(byte);
        CHECK(is_counted(fresh.get().run(sent(text, kJson)), is_json(byte) ? XK_LEGACY : XK_LEGACY_FORM));
        // JSON begins with a brace or a blank, and ends with one.
        const bool is_blank = byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
        text = json_text();
        text.front() = static_cast<char>(byte);
        CHECK(is_counted(fresh.get().run(sent(text, kJson)), byte == '{' || is_blank ? XK_LEGACY : XK_LEGACY_FORM));
        text = json_text();
        text.back() = static_cast<char>(byte);
        CHECK(is_counted(fresh.get().run(sent(text, kJson)), byte == '}' || is_blank ? XK_LEGACY : XK_LEGACY_FORM));
    }
}

TEST_CASE("each client has its port, and both may have one") {
    Filter filter(listening());
    expect_refused(filter, sent(json_text(), kText), XK_LEGACY_FORM);
    expect_refused(filter, sent(fwknop_text(), kJson), XK_LEGACY_FORM);
    Filter one(listening({kJson, kJson}));
    expect_taken(one, sent(json_text(), kJson), XK_RECORD_CAPYKNOCK);
    expect_taken(one, sent(fwknop_text(), kJson), XK_RECORD_FWKNOP);
    CHECK(one.run(sent(fwknop_text(), kText)).counters.empty());
}

TEST_CASE("on the knock port a knock is a knock, an old client's packet is one, and the rest is as before") {
    Filter filter(listening({kKnock, kKnock}));
    expect_taken(filter, sent(json_text(), kKnock), XK_RECORD_CAPYKNOCK);
    expect_taken(filter, sent(fwknop_text(), kKnock), XK_RECORD_FWKNOP);
    REQUIRE(fwknop_lengths().contains(188));
    std::string text = json_text(192); // of a knock's length, and too short for JSON
    expect_refused(filter, sent(text, kKnock), XK_TAG);
    expect_refused(filter, sent(json_text(193), kKnock), XK_LENGTH);
    expect_refused(filter, sent(fwknop_text(205), kKnock), XK_LENGTH);
    FrameSpec knock = sent("", kKnock);
    knock.payload = Filter::sealed();
    const auto verdict = filter.run(knock);
    CHECK(is_counted(verdict, XK_CANDIDATE));
    CHECK(verdict.record);
    expect_refused(filter, knock, XK_SEEN);
    // An old client's port that is not the knock port takes no knocks.
    knock.destination_port = kJson;
    Filter apart(listening());
    expect_refused(apart, knock, XK_LEGACY_FORM);
}

TEST_CASE("of an old client only IPv4 to an address of ours from a source that can be") {
    Filter filter(listening());
    FrameSpec spec = sent(fwknop_text(), kText);
    spec.destination = address("192.0.2.2");
    expect_refused(filter, spec, XK_TRANSIT, XDP_PASS);
    for (const char* source : {"127.0.0.1", "0.1.2.3", "224.0.0.1", "192.0.2.1"}) {
        spec = sent(fwknop_text(), kText);
        spec.source = address(source);
        expect_refused(filter, spec, XK_SOURCE);
    }
    spec.source = address("2001:db8::7");
    spec.destination = address("2001:db8::1");
    expect_refused(filter, spec, XK_LEGACY_FORM);
    filter.ban("10.0.0.0/8");
    expect_refused(filter, sent(fwknop_text(), kText), XK_BANNED);
}

TEST_CASE("an old client's packet has its length in every header, and a frame that is cut is none") {
    Filter filter(listening());
    for (const int off : {-8, -1, 1, 8}) {
        FrameSpec spec = sent(fwknop_text(), kText);
        spec.udp_length = static_cast<std::uint16_t>(8 + 204 + off);
        expect_refused(filter, spec, XK_LEGACY_FORM);
        spec.udp_length.reset();
        spec.ip_length = static_cast<std::uint16_t>(28 + 204 + off);
        expect_refused(filter, spec, XK_LEGACY_FORM);
    }
    for (std::uint16_t length = 0; length < 10; ++length) {
        FrameSpec spec = sent(fwknop_text(), kText);
        spec.udp_length = length;
        spec.ip_length = static_cast<std::uint16_t>(20 + length);
        expect_refused(filter, spec, XK_LEGACY_FORM);
    }
    for (const std::string& text : {fwknop_text(225), json_text(259)}) {
        const test::Frame whole = test::build(sent(text, text.front() == '{' ? kJson : kText));
        for (std::size_t size = 42; size < whole.size(); ++size) {
            CAPTURE(size);
            const auto verdict = filter.run(test::Frame(whole.begin(), whole.begin() + static_cast<long>(size)));
            CHECK(is_counted(verdict, XK_LEGACY_FORM));
        }
        CHECK(is_counted(filter.run(whole), XK_LEGACY));
    }
    FrameSpec padded = sent(fwknop_text(), kText);
    padded.trailer = 6; // of Ethernet
    expect_taken(filter, padded, XK_RECORD_FWKNOP);
}

TEST_CASE("stealth holds for an old client's port as for the knock port") {
    Filter closed(listening({}, XK_STEALTH_CLOSED));
    CHECK(closed.run(sent(fwknop_text(), kText)).action == XDP_PASS);
    expect_refused(closed, sent("x", kText), XK_LEGACY_FORM, XDP_PASS);
    Filter dry(listening({}, XK_STEALTH_DRY));
    const auto verdict = dry.run(sent(fwknop_text(), kText));
    CHECK(verdict.action == XDP_PASS);
    CHECK(is_counted(verdict, XK_LEGACY));
    CHECK(text_of(verdict) == fwknop_text());
    // What may be an answer to this host passes.
    Filter drop(listening());
    expect_refused(drop, sent("x", kText), XK_LEGACY_FORM);
    drop.forward(true);
    expect_refused(drop, sent("x", kText), XK_LEGACY_FORM, XDP_PASS);
    expect_taken(drop, sent(fwknop_text(), kText), XK_RECORD_FWKNOP);
}

TEST_CASE("a socket of this host at an old client's port gets its answers") {
    const test::OwnNetwork network("ip link set lo up && ip addr add 192.0.2.1/24 dev lo");
    Filter filter(listening());
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(kText);
    REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
    expect_refused(filter, sent("x", kText), XK_LEGACY_FORM, XDP_PASS);
    expect_refused(filter, sent("x", kJson), XK_LEGACY_FORM);
}

TEST_CASE("one source has its burst, and takes nothing from others") {
    Filter filter(listening());
    FrameSpec loud = sent(fwknop_text(), kText);
    for (int i = 0; i < XK_LEGACY_SOURCE_BURST; ++i)
        CHECK(is_counted(filter.run(loud), XK_LEGACY));
    int refused = 0;
    for (int i = 0; i < 1000; ++i)
        refused += is_counted(filter.run(loud), XK_LEGACY_RATE);
    CHECK(refused > 950); // it gains one each 250 ms
    loud.destination_port = kJson;
    loud.payload.assign(300, ' ');
    CHECK(is_counted(filter.run(loud), XK_LEGACY_RATE)); // both clients share it
    for (int i = 0; i < 20; ++i)
        expect_taken(filter, sent(json_text(), kJson), XK_RECORD_CAPYKNOCK);
}

TEST_CASE("ten thousand sources reach the ceiling, and knocks go on") {
    Filter filter(listening({kKnock, kKnock}));
    const auto begin = BootClock::now();
    std::size_t taken = 0;
    for (int i = 0; i < 10'000; ++i) {
        const auto verdict = filter.run(sent(fwknop_text(), kKnock));
        taken += is_counted(verdict, XK_LEGACY);
        CHECK((is_counted(verdict, XK_LEGACY) || is_counted(verdict, XK_LEGACY_RATE)));
    }
    const std::chrono::duration<double> took = BootClock::now() - begin;
    CHECK(taken >= XK_LEGACY_BURST);
    CHECK(static_cast<double>(taken) <= XK_LEGACY_BURST + 1 + 500 * took.count());
    CHECK(filter.records() == taken);
    FrameSpec knock = sent("", kKnock);
    knock.payload = Filter::sealed();
    CHECK(is_counted(filter.run(knock), XK_CANDIDATE));
}

TEST_CASE("junk that is no old client's takes no token") {
    Filter filter(listening());
    for (int i = 0; i < 5'000; ++i)
        expect_refused(filter, sent(fwknop_text(205), kText), XK_LEGACY_FORM);
    for (int i = 0; i < 400; ++i)
        CHECK(is_counted(filter.run(sent(fwknop_text(), kText)), XK_LEGACY));
}

TEST_CASE("old clients take a quarter of the ring, and the rest is for knocks") {
    Filter filter([](xk_settings& s) { listening()(s), s.knock_burst = 1'000'000; });
    filter.stop_consuming();
    unsigned seed = 0;
    const auto knock = [&] {
        FrameSpec spec = sent("", kKnock);
        spec.payload = Filter::sealed(static_cast<std::uint8_t>(seed));
        ++seed;
        return filter.run(spec);
    };
    // 264 bytes each.
    std::size_t stored = 0;
    while (stored < XK_LEGACY_RING / 264 - 1) {
        const auto verdict = knock();
        REQUIRE(is_counted(verdict, XK_CANDIDATE));
        ++stored;
    }
    CHECK(is_counted(filter.run(sent(fwknop_text(), kText)), XK_LEGACY));
    while (stored < XK_LEGACY_RING / 264 + 3) {
        CHECK(is_counted(knock(), XK_CANDIDATE));
        ++stored;
    }
    expect_refused(filter, sent(fwknop_text(), kText), XK_RING_FULL);
    CHECK(is_counted(knock(), XK_CANDIDATE));
    filter.consume();
    CHECK(is_counted(filter.run(sent(fwknop_text(), kText)), XK_LEGACY));
}
