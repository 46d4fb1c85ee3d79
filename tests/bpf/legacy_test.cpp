// SPDX-License-Identifier: MIT
//
// Packets of old clients in the filter: which forms pass, and that nothing else changes. How many:
// old_clients_rate_test.cpp.
#include "old_packets.h"
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
using test::expect_refused;
using test::expect_taken;
using test::Filter;
using test::FrameSpec;
using test::fwknop_text;
using test::is_counted;
using test::json_text;
using test::kJson;
using test::kKnock;
using test::kText;
using test::listening;
using test::OldPorts;
using test::sent;

namespace {

// The filter allows a limited number a second: the tests with many packets take a fresh one in time.
struct FreshFilter {
    OldPorts ports;
    std::optional<Filter> filter;
    unsigned used = 0;
    Filter& get() {
        if (!filter)
            filter.emplace(listening(ports));
        if (++used == XK_LEGACY_BURST) {
            filter->fill_legacy_buckets(); // a hundred times faster than to load another one
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
