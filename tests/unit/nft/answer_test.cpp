// SPDX-License-Identifier: MIT
// Answers of sock_diag, whole and cut.
#include "daemon/nft/answer.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

using namespace xk;
using namespace xk::nft;

namespace {

constexpr std::uint32_t kSequence = 7;
constexpr std::uint16_t kSocket = 20; // SOCK_DIAG_BY_FAMILY

// One message with this payload, its first four bytes being `code`.
std::vector<char> message(std::uint16_t type, std::size_t payload, int code = 0, std::uint32_t sequence = kSequence) {
    std::vector<char> bytes(NLMSG_ALIGN(NLMSG_HDRLEN + payload));
    const nlmsghdr header{static_cast<std::uint32_t>(NLMSG_HDRLEN + payload), type, 0, sequence, 0};
    std::memcpy(bytes.data(), &header, sizeof header);
    if (payload >= sizeof code)
        std::memcpy(bytes.data() + NLMSG_HDRLEN, &code, sizeof code);
    return bytes;
}

std::vector<char> operator+(std::vector<char> first, const std::vector<char>& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

struct Reading {
    Result<std::optional<int>> code;
    std::vector<unsigned> families;
};

Reading read(const std::vector<char>& datagram) {
    std::vector<unsigned> families;
    auto code = read_sockets(datagram, kSequence, [&](const inet_diag_msg& m) { families.push_back(m.idiag_family); });
    return {std::move(code), std::move(families)};
}

} // namespace

TEST_CASE("a datagram of sockets is read up to the end of the answer") {
    const auto one = message(kSocket, sizeof(inet_diag_msg), 2), other = message(kSocket, sizeof(inet_diag_msg), 10);
    Reading some = read(one + other);
    REQUIRE(some.code);
    CHECK_FALSE(*some.code);
    CHECK(some.families == std::vector<unsigned>{2, 10});
    const Reading last = read(one + message(NLMSG_DONE, sizeof(int)) + other);
    CHECK(last.code.value() == 0);
    CHECK(last.families == std::vector<unsigned>{2});
    CHECK(read(one + message(NLMSG_DONE, sizeof(int), -EPERM)).code.value() == -EPERM);
    CHECK(read(message(NLMSG_ERROR, sizeof(nlmsgerr), -ENOENT)).code.value() == -ENOENT);
}

TEST_CASE("an answer to another request is no answer") {
    const Reading stale = read(message(kSocket, sizeof(inet_diag_msg), 2, kSequence - 1) +
                               message(NLMSG_ERROR, sizeof(nlmsgerr), 0, kSequence + 1));
    REQUIRE(stale.code);
    CHECK_FALSE(*stale.code);
    CHECK(stale.families.empty());
}

TEST_CASE("an end without its code, and a socket that is cut, are errors and no success") {
    for (const std::uint16_t end : {std::uint16_t{NLMSG_DONE}, std::uint16_t{NLMSG_ERROR}})
        for (std::size_t size = 0; size < sizeof(int); ++size)
            CHECK(read(message(end, size)).code.error().message == "the kernel ended an answer without a code");
    const Reading cut = read(message(kSocket, sizeof(inet_diag_msg) - 1));
    CHECK(cut.code.error().message == "the kernel's answer about a socket is cut");
    CHECK(cut.families.empty());
}
