// SPDX-License-Identifier: MIT
#include "client/stun.h"

#include "client/answer_within.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace xk;
using namespace xk::client;

namespace {

// The transaction of RFC 5769's samples, which RFC 8489 keeps.
constexpr StunId kId = {0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae};

// RFC 5769, section 2.2, up to its XOR-MAPPED-ADDRESS (192.0.2.1), without the attributes of a password.
std::vector<std::uint8_t> sample_v4() {
    return {0x01, 0x01, 0x00, 0x1c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
            0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
            0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43};
}
// Section 2.3: 2001:db8:1234:5678:11:2233:4455:6677.
std::vector<std::uint8_t> sample_v6() {
    return {0x01, 0x01, 0x00, 0x18, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6,
            0x86, 0xfa, 0x87, 0xdf, 0xae, 0x00, 0x20, 0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13,
            0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9};
}

} // namespace

TEST_CASE("a request is a header of 20 bytes without attributes") {
    const StunRequest request = stun_request(kId);
    const std::vector<std::uint8_t> wanted{0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7,
                                           0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae};
    CHECK(std::equal(request.begin(), request.end(), wanted.begin(), wanted.end()));
}

TEST_CASE("the mapped address of RFC 5769's responses is found, behind other attributes too") {
    const auto v4 = stun_answer(sample_v4(), kId), v6 = stun_answer(sample_v6(), kId);
    REQUIRE(v4.has_value());
    CHECK(v4->text() == "192.0.2.1");
    REQUIRE(v6.has_value());
    CHECK(v6->text() == "2001:db8:1234:5678:11:2233:4455:6677");
}

TEST_CASE("an answer to another request, another kind of message and a wrong cookie are none") {
    StunId other = kId;
    other[11] ^= 1;
    CHECK_FALSE(stun_answer(sample_v4(), other).has_value());
    for (const std::size_t at : {0u, 1u, 2u, 3u, 4u, 7u, 8u}) {
        auto changed = sample_v4();
        changed[at] ^= 0x40;
        CHECK_FALSE(stun_answer(changed, kId).has_value());
    }
}

TEST_CASE("a message that is cut, or whose lengths lie, is none") {
    const auto whole = sample_v4();
    for (std::size_t size = 0; size < whole.size(); ++size)
        CHECK_FALSE(stun_answer(std::span(whole).first(size), kId).has_value());
    for (const std::size_t at : {22u, 23u, 38u, 39u, 41u}) { // lengths and the family
        auto changed = whole;
        changed[at] ^= 0x10;
        CHECK_FALSE(stun_answer(changed, kId).has_value());
    }
    auto short_tail = whole;
    short_tail.resize(38);
    short_tail[3] = 18;
    CHECK_FALSE(stun_answer(short_tail, kId).has_value());
}

TEST_CASE("a name server that does not answer is not waited for") {
    std::promise<void> over;
    // It answers only when the wait is over.
    const auto answer =
        answer_within(std::chrono::milliseconds(1), [over = over.get_future().share()] { return over.wait(), 1; });
    CHECK_FALSE(answer.has_value());
    over.set_value();
    CHECK(answer_within(std::chrono::minutes(1), [] { return 1; }) == 1);
}

TEST_CASE("a server is named with or without its port") {
    const auto is = [](const char* text, const char* host, std::uint16_t port) {
        const auto server = stun_server(text);
        return server && server->first == host && server->second == port;
    };
    CHECK(is("stun.example.net", "stun.example.net", 3478));
    CHECK(is("stun.example.net:3479", "stun.example.net", 3479));
    CHECK(is("2001:db8::1", "2001:db8::1", 3478));
    CHECK(is("[2001:db8::1]", "[2001:db8::1]", 3478));
    CHECK(is("[2001:db8::1]:19302", "[2001:db8::1]", 19302));
    for (const char* text : {"", ":3478", "host:", "host:0", "host:65536", "host:12x"})
        CHECK_FALSE(stun_server(text).has_value());
}
