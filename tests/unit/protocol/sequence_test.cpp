// SPDX-License-Identifier: MIT
#include "protocol/sequence.h"

#include "protocol/otp.h"
#include "protocol/slot.h"
#include "vectors.h"

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

using namespace xk;
using Ports = std::vector<std::uint16_t>;

namespace {

Ports ports_of(const std::string& text) {
    std::istringstream in(text);
    Ports out;
    for (unsigned port = 0; in >> port;)
        out.push_back(static_cast<std::uint16_t>(port));
    return out;
}

Ports first(const Ports& ports, std::size_t count) {
    return {ports.begin(), ports.begin() + static_cast<std::ptrdiff_t>(count)};
}

// The rows of each section of c_lock.txt, without comments.
std::map<std::string, std::vector<std::string>> read_clock_vectors() {
    std::ifstream in(XK_VECTORS "/c_lock.txt");
    REQUIRE(in);
    std::map<std::string, std::vector<std::string>> sections;
    std::string section;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with('['))
            sections[section = line.substr(0, line.find(']') + 1)];
        else if (!line.empty() && !line.starts_with('#'))
            sections[section].push_back(line);
    }
    return sections;
}

// "A = B"
std::pair<std::string, std::string> halves_of(const std::string& row) {
    const auto equals = row.find(" = ");
    REQUIRE_MESSAGE(equals != row.npos, row);
    return {row.substr(0, equals), row.substr(equals + 3)};
}

// "secret | time | begin of the slot | code | ports"
void check_time(const std::string& row) {
    CAPTURE(row);
    std::vector<std::string> fields;
    std::istringstream in(row);
    for (std::string field; std::getline(in, field, '|');) {
        const auto begin = field.find_first_not_of(' ');
        fields.push_back(field.substr(begin, field.find_last_not_of(' ') + 1 - begin));
    }
    REQUIRE(fields.size() == 5);
    Bytes<64> secret{};
    const std::size_t size = from_base32(fields[0], secret);
    REQUIRE(size != 0);
    const WallTime time(std::chrono::seconds(std::stoll(fields[1])));
    CHECK(slot_begin(slot_of(time)) == WallTime(std::chrono::seconds(std::stoll(fields[2]))));
    const std::string code = totp_code(std::span(secret).first(size), slot_of(time), 6);
    CHECK(code == fields[3]);
    CHECK(sequence::clock_ports(code) == ports_of(fields[4]));
}

} // namespace

TEST_CASE("strong and c-lock sequences are those of the second implementation, at every length") {
    std::size_t strong = 0;
    std::size_t clock = 0;
    for (const auto& block : test::read_vectors("sequences.txt")) {
        if (block.contains("strong")) {
            const Ports expected = ports_of(block.at("strong"));
            REQUIRE(expected.size() == sequence::kMostPorts);
            const auto key = test::bytes<32>(block, "key");
            for (std::size_t n = sequence::kFewestStrongPorts; n <= sequence::kMostPorts; ++n)
                CHECK(sequence::strong_ports(key, test::number(block, "slot"), n) == first(expected, n));
            ++strong;
        } else {
            const Ports expected = ports_of(block.at("clock"));
            REQUIRE(expected.size() == sequence::kMostPorts);
            for (std::size_t n = 1; n <= sequence::kMostPorts; ++n)
                CHECK(sequence::clock_ports(block.at("code"), n) == first(expected, n));
            ++clock;
        }
    }
    CHECK(strong == 6);
    CHECK(clock == 11);
}

TEST_CASE("a strong sequence has different ports, all of the range, whatever key and slot") {
    for (std::uint8_t key = 0; key < 50; ++key)
        for (Slot slot = 0; slot < 50; ++slot) {
            const Ports ports = sequence::strong_ports(Key{key}, slot, sequence::kMostPorts);
            CHECK(std::set<std::uint16_t>(ports.begin(), ports.end()).size() == sequence::kMostPorts);
            for (const auto port : ports) {
                CHECK(port >= sequence::kFirstPort);
                CHECK(port < sequence::kFirstPort + sequence::kPorts);
            }
        }
}

TEST_CASE("key and slot each change every part of a strong sequence") {
    const Ports ports = sequence::strong_ports(Key{1}, 100, sequence::kMostPorts);
    for (const auto& other : {sequence::strong_ports(Key{2}, 100, sequence::kMostPorts),
                              sequence::strong_ports(Key{1}, 101, sequence::kMostPorts)})
        for (std::size_t i = 0; i < ports.size(); ++i)
            CHECK(ports[i] != other[i]);
}

TEST_CASE("what is not a code of six digits has no ports") {
    for (const char* code : {"", "12345", "1234567", "12345a", " 12345", "-12345", "+12345", "0x1234"})
        CHECK(sequence::clock_ports(code).empty());
    CHECK(sequence::clock_ports("123456", 0).empty());
    CHECK(sequence::clock_ports("123456", sequence::kMostPorts + 1).empty());
    CHECK(sequence::clock_ports("123456").size() == sequence::kClockPorts);
}

TEST_CASE("c-lock's own vectors: a code's ports at every length, the last step alone, and a secret's ports at a time") {
    const auto sections = read_clock_vectors();
    const auto& codes = sections.at("[pin -> ports]");
    CHECK(codes.size() == 15);
    for (const auto& row : codes) {
        const auto [code, ports] = halves_of(row);
        const Ports expected = ports_of(ports);
        REQUIRE(expected.size() == sequence::kMostPorts);
        for (std::size_t n = 1; n <= sequence::kMostPorts; ++n)
            CHECK(sequence::clock_ports(code, n) == first(expected, n));
    }
    const auto& steps = sections.at("[h -> port]");
    CHECK(steps.size() == 14);
    for (const auto& row : steps) {
        const auto [drawn, port] = halves_of(row);
        CHECK(Ports{sequence::clock_port(static_cast<std::uint32_t>(std::stoul(drawn)))} == ports_of(port));
    }
    const auto& times = sections.at("[secret, time -> t0, pin, ports]");
    CHECK(times.size() == 16);
    for (const auto& row : times)
        check_time(row);
    const auto& unread = sections.at("[secrets the original cannot read]");
    CHECK(unread.size() == 1);
    for (const auto& row : unread)
        check_time(row);
    // tests/bpf/c_lock_test.cpp has the traces; the last two sections are prose.
    CHECK(sections.at("[server traces]").size() == 13);
    CHECK(sections.size() == 7);
}
