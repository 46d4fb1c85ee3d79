// SPDX-License-Identifier: MIT
//
// The filter against a second reading of the rules in C++, over frames that are genuine ones with random
// damage: both must come to the same verdict and the same counter.
#include "filter.h"

#include <random>

using namespace xk;
using test::Filter;
using test::Frame;
using test::FrameSpec;

namespace {

struct Expected {
    int action;
    std::optional<int> counter;
};

class Reader {
  public:
    explicit Reader(const Frame& frame) : frame_(frame) {}
    bool has(std::size_t offset, std::size_t size) const { return offset + size <= frame_.size(); }
    unsigned u8(std::size_t at) const { return frame_.at(at); }
    unsigned u16(std::size_t at) const { return u8(at) << 8 | u8(at + 1); }
    Address v4(std::size_t at) const {
        return Address::v4(frame_.at(at), frame_.at(at + 1), frame_.at(at + 2), frame_.at(at + 3));
    }
    Address v6(std::size_t at) const {
        Address a;
        for (std::size_t i = 0; i < 16; ++i)
            a.bytes[i] = frame_.at(at + i);
        return a;
    }

  private:
    const Frame& frame_;
};

constexpr std::size_t kSmallest = 14; // BPF_PROG_TEST_RUN takes nothing below

const Address kLocal4 = test::address("192.0.2.1");
const Address kLocal6 = test::address("2001:db8::1");

Expected judge_datagram(const Frame& frame, const Address& source, bool v6, std::size_t udp, unsigned ip_payload) {
    const auto drop = [](int counter) { return Expected{XDP_DROP, counter}; };
    const Reader in(frame);
    if (in.u16(udp + 4) != 200 || ip_payload != 200 || !in.has(udp + 8, 192))
        return drop(XK_LENGTH);
    const bool low = std::all_of(source.bytes.begin(), source.bytes.begin() + 8, [](auto b) { return b == 0; });
    const unsigned first = source.bytes[12];
    if (v6 ? low || source.bytes[0] == 0xff : first == 0 || first == 127 || first >= 224)
        return drop(XK_SOURCE);
    if (source == kLocal4 || source == kLocal6)
        return drop(XK_SOURCE);
    wire::Packet packet;
    std::copy_n(frame.begin() + static_cast<long>(udp) + 8, packet.size(), packet.begin());
    const GateKeys gate = gate_keys(Filter::keys().gate, Filter::kSlot);
    if (packet_tag(packet) != gate.tag)
        return drop(XK_TAG);
    if (!mac_matches(gate.mac_key, packet))
        return drop(XK_MAC);
    return drop(XK_CANDIDATE);
}

// A SYN to tcp/22 of ours. `announced`: how long the IP header says that the TCP segment is.
bool is_unwanted_syn(const Frame& frame, std::size_t tcp, int announced) {
    const Reader in(frame);
    return in.has(tcp, 20) && announced >= 20 && in.u16(tcp + 2) == 22 && (in.u8(tcp + 13) & 0x17) == 2;
}

// From the IP header on.
Expected judge_ip(const Frame& frame, std::size_t ip, unsigned type) {
    const Expected pass{XDP_PASS, std::nullopt};
    const Reader in(frame);
    const Expected syn{XDP_DROP, XK_SYN};
    if (type == 0x0800 && in.has(ip, 40) && in.u8(ip) == 0x45 && in.u8(ip + 9) == 6)
        return (in.u16(ip + 6) & 0x3fff) == 0 && in.v4(ip + 16) == kLocal4 &&
                       is_unwanted_syn(frame, ip + 20, static_cast<int>(in.u16(ip + 2)) - 20)
                   ? syn
                   : pass;
    if (type == 0x86dd && in.has(ip, 60) && in.u8(ip) >> 4 == 6 && in.u8(ip + 6) == 6)
        return (in.v6(ip + 24) == kLocal6 || in.v6(ip + 24) == kLocal4) &&
                       is_unwanted_syn(frame, ip + 40, static_cast<int>(in.u16(ip + 4)))
                   ? syn
                   : pass;
    if (type == 0x0800 && in.has(ip, 28) && in.u8(ip) == 0x45 && in.u8(ip + 9) == 17) {
        const unsigned fragment = in.u16(ip + 6) & 0x3fff;
        if (fragment != 0 || in.u16(ip + 22) != 62201)
            return pass;
        if (in.v4(ip + 16) != kLocal4)
            return {XDP_PASS, XK_TRANSIT};
        return judge_datagram(frame, in.v4(ip + 12), false, ip + 20, in.u16(ip + 2) - 20u);
    }
    if (type == 0x86dd && in.has(ip, 48) && in.u8(ip) >> 4 == 6 && in.u8(ip + 6) == 17) {
        if (in.u16(ip + 42) != 62201)
            return pass;
        const Address destination = in.v6(ip + 24);
        if (destination != kLocal6 && destination != kLocal4)
            return {XDP_PASS, XK_TRANSIT};
        return judge_datagram(frame, in.v6(ip + 8), true, ip + 40, in.u16(ip + 4));
    }
    return pass;
}

Expected judge(const Frame& frame) {
    const Reader in(frame);
    std::size_t at = 12;
    for (int depth = 0; depth < 2 && (in.u16(at) == 0x8100 || in.u16(at) == 0x88a8); ++depth) {
        at += 4;
        if (!in.has(at, 2))
            return {XDP_PASS, std::nullopt};
    }
    return judge_ip(frame, at + 2, in.u16(at));
}

// Without Ethernet header the first four bits are the version.
Expected judge_bare(const Frame& packet) { return judge_ip(packet, 0, packet.at(0) >> 4 == 4 ? 0x0800 : 0x86dd); }

} // namespace

TEST_CASE("over damaged frames the filter and the second reading never disagree") {
    Filter filter([](xk_settings& s) { s.knock_burst = ~0ull >> 40; });
    filter.guard_ssh();
    std::mt19937 random(20261121); // the same frames in every run
    const auto below = [&](std::size_t n) { return random() % n; };
    std::array<int, XK_COUNTERS> hit{};
    int passed = 0;
    for (int i = 0; i < 200'000; ++i) {
        FrameSpec spec;
        if (below(2)) {
            spec.source = test::address("2001:db8::7");
            spec.destination = test::address("2001:db8::1");
        }
        for (auto n = below(8) == 0 ? below(4) : 0; n > 0; --n)
            spec.vlans.push_back(below(2) ? 0x8100 : 0x88a8);
        spec.payload = Filter::sealed();
        const std::size_t payload = spec.payload.size();
        if (below(4) == 0) {
            spec = test::tcp(spec, below(4) ? test::kSyn : static_cast<std::uint8_t>(random()));
            spec.payload.resize(payload);
        }
        Frame frame = build(spec);
        // Damage mostly where the decisions are: in the headers, by whole bytes or by lengths.
        for (auto n = below(3); n > 0; --n)
            frame[12 + below(frame.size() - payload - 12)] = static_cast<std::uint8_t>(random());
        if (below(4) == 0)
            frame[frame.size() - 1 - below(payload)] ^= static_cast<std::uint8_t>(1u << below(8));
        if (below(8) == 0)
            frame.resize(14 + below(frame.size() - 13));
        const bool bare = spec.vlans.empty() && frame.size() >= 14 + kSmallest && below(2);
        if (bare)
            frame = test::without_ethernet(frame);
        const Expected expected = bare ? judge_bare(frame) : judge(frame);
        const auto verdict = bare ? filter.run_bare(frame) : filter.run(frame);
        CAPTURE(i);
        REQUIRE(verdict.action == expected.action);
        REQUIRE(verdict.counters.size() == (expected.counter ? 1 : 0));
        if (expected.counter) {
            REQUIRE(verdict.counters.front() == *expected.counter);
            ++hit[static_cast<std::size_t>(*expected.counter)];
        } else {
            ++passed;
        }
    }
    CHECK(passed > 1000);
    for (const int counter : {XK_TRANSIT, XK_LENGTH, XK_SOURCE, XK_TAG, XK_MAC, XK_CANDIDATE, XK_SYN})
        CHECK_MESSAGE(hit[static_cast<std::size_t>(counter)] > 10, counter);
}
