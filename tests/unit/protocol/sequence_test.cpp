// SPDX-License-Identifier: MIT
#include "protocol/sequence.h"

#include "protocol/otp.h"
#include "vectors.h"

#include <fstream>
#include <set>
#include <sstream>
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

TEST_CASE("c-lock's own vectors: a code's ports at every length, and a secret's at a time") {
    std::ifstream in(XK_VECTORS "/c_lock.txt");
    REQUIRE(in);
    std::string section;
    std::size_t codes = 0;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with('[')) {
            section = line.substr(0, line.find(']') + 1);
            continue;
        }
        const auto equals = line.find(" = ");
        if (section != "[pin -> ports]" || line.starts_with('#') || equals == line.npos)
            continue;
        const Ports expected = ports_of(line.substr(equals + 3));
        REQUIRE(expected.size() == sequence::kMostPorts);
        for (std::size_t n = 1; n <= sequence::kMostPorts; ++n)
            CHECK(sequence::clock_ports(line.substr(0, equals), n) == first(expected, n));
        ++codes;
    }
    CHECK(codes == 15);
}
