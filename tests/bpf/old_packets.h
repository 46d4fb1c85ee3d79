// SPDX-License-Identifier: MIT
//
// Packets that have the form of an old client's, and what the filter does with them.
#pragma once

#include "filter.h"

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace xk::test {

inline constexpr std::uint16_t kKnock = 62201, kJson = 5001, kText = 62202;

struct OldPorts {
    std::uint16_t capyknock = kJson, fwknop = kText;
};

// With these ports; a flood of a test's own packets meets no limit but where it says so.
inline auto listening(OldPorts ports = {}, xk_stealth stealth = XK_STEALTH_DROP) {
    return [=](xk_settings& s) {
        s.capyknock_port = __builtin_bswap16(ports.capyknock);
        s.fwknop_port = __builtin_bswap16(ports.fwknop);
        s.stealth = stealth;
    };
}

// Each packet of a test has a source of its own, so that no source runs out of tokens.
inline Address next_source() {
    static std::uint32_t number = 0;
    ++number;
    return Address::v4(10, static_cast<std::uint8_t>(number >> 16), static_cast<std::uint8_t>(number >> 8),
                       static_cast<std::uint8_t>(number));
}

inline FrameSpec sent(std::string_view text, std::uint16_t port) {
    FrameSpec spec;
    spec.source = next_source();
    spec.payload.assign(text.begin(), text.end());
    spec.destination_port = port;
    return spec;
}

inline std::string fwknop_text(std::size_t length = 204) {
    std::string text(length, 'A');
    for (std::size_t i = 0; i < length; ++i)
        text[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[i * 7 % 64];
    return text;
}

inline std::string json_text(std::size_t length = 256) {
    std::string text = R"({"usrnm": "anna", "payload": ")";
    text += std::string(length - text.size() - 2, 'x') + "\"}";
    return text;
}

inline bool is_counted(const Verdict& verdict, int counter) { return verdict.counters == std::vector<int>{counter}; }

inline void expect_taken(Filter& filter, const FrameSpec& spec, xk_record_kind kind) {
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

inline void expect_refused(Filter& filter, const FrameSpec& spec, int counter, int action = XDP_DROP) {
    const auto verdict = filter.run(spec);
    CHECK(verdict.action == action);
    CHECK(is_counted(verdict, counter));
    CHECK(verdict.legacy.empty());
}

} // namespace xk::test
