// SPDX-License-Identifier: MIT
#include "protocol/seal.h"

#include <doctest/doctest.h>

#include <cstring>
#include <set>

using namespace xk;

namespace {

CredentialKeys keys() {
    CredentialKeys k;
    derive_keys(k, Key{7}, wire::ServerId{8}, wire::CredentialId{9});
    return k;
}

wire::Packet sealed(const CredentialKeys& k, Slot slot, const RequestBytes& request) {
    return seal_packet(k, slot, hedged_nonce(k.nonce, WallTime{}, request), request);
}

} // namespace

TEST_CASE("a sealed request is opened with the keys of its slot only") {
    const auto k = keys();
    const RequestBytes request{1, 2, 3};
    const auto packet = sealed(k, 100, request);
    CHECK(packet_tag(packet) == gate_keys(k.gate, 100).tag);
    CHECK(mac_matches(gate_keys(k.gate, 100).mac_key, packet));
    CHECK(open_box(k.seal, 100, packet) == request);
    CHECK_FALSE(mac_matches(gate_keys(k.gate, 101).mac_key, packet));
    CHECK_FALSE(open_box(k.seal, 101, packet).has_value());
}

TEST_CASE("no single changed bit passes the MAC, and none behind it passes the box") {
    const auto k = keys();
    const auto packet = sealed(k, 100, RequestBytes{1});
    const auto mac_key = gate_keys(k.gate, 100).mac_key;
    for (std::size_t bit = 0; bit < 8 * packet.size(); ++bit) {
        auto changed = packet;
        changed[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
        if (bit / 8 >= wire::kTagSize) // the tag chooses the key, the MAC does not cover it
            CHECK_FALSE(mac_matches(mac_key, changed));
        if (bit / 8 >= wire::kNonceOffset)
            CHECK_FALSE(open_box(k.seal, 100, changed).has_value());
    }
}

TEST_CASE("a nonce does not repeat while random numbers, time or request differ") {
    const auto k = keys();
    std::set<wire::Nonce> seen;
    for (int i = 0; i < 1000; ++i)
        CHECK(seen.insert(hedged_nonce(k.nonce, WallTime{}, RequestBytes{})).second);
}

TEST_CASE("where the kernel's random numbers are always the same, time, request and key make the nonce") {
    static randombytes_implementation broken{};
    broken.implementation_name = [] { return "broken"; };
    broken.random = [] { return std::uint32_t{7}; };
    broken.buf = [](void* to, std::size_t size) { std::memset(to, 7, size); };
    const auto k = keys(), other = [] {
        CredentialKeys of_another;
        derive_keys(of_another, Key{7}, wire::ServerId{8}, wire::CredentialId{10});
        return of_another;
    }();
    randombytes_set_implementation(&broken);
    const auto first = hedged_nonce(k.nonce, WallTime{}, RequestBytes{1});
    const auto same = hedged_nonce(k.nonce, WallTime{}, RequestBytes{1});
    const auto later = hedged_nonce(k.nonce, WallTime(std::chrono::microseconds(1)), RequestBytes{1});
    const auto asks_else = hedged_nonce(k.nonce, WallTime{}, RequestBytes{2});
    const auto of_another = hedged_nonce(other.nonce, WallTime{}, RequestBytes{1});
    randombytes_set_implementation(&randombytes_sysrandom_implementation);
    CHECK(first == same); // the test has broken them
    CHECK(std::set{first, later, asks_else, of_another}.size() == 4);
    CHECK(hedged_nonce(k.nonce, WallTime{}, RequestBytes{1}) != first);
}

TEST_CASE("nothing in a packet is constant") {
    const auto k = keys();
    // Over 256 packets in as many slots every byte takes at least 100 values (158 are expected; fewer
    // than 100 has a probability far below 2^-100).
    std::array<std::set<std::uint8_t>, wire::kPacketSize> values;
    for (Slot slot = 0; slot < 256; ++slot) {
        const auto packet = sealed(k, slot, RequestBytes{1});
        for (std::size_t i = 0; i < packet.size(); ++i)
            values[i].insert(packet[i]);
    }
    for (const auto& v : values)
        CHECK(v.size() > 100);
}
