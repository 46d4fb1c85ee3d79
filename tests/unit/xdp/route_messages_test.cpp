// SPDX-License-Identifier: MIT
#include "daemon/xdp/route_messages.h"

#include <doctest/doctest.h>

#include <linux/rtnetlink.h>

#include <cstdint>
#include <cstring>
#include <vector>

using namespace xk::xdp;

namespace {

constexpr unsigned kSequence = 3, kPort = 99;

void append(std::vector<char>& to, std::uint16_t type, std::size_t payload, int code = 0, std::uint16_t flags = 0) {
    std::vector<char> bytes(NLMSG_ALIGN(NLMSG_HDRLEN + payload));
    const nlmsghdr header{static_cast<std::uint32_t>(NLMSG_HDRLEN + payload), type, flags, kSequence, kPort};
    std::memcpy(bytes.data(), &header, sizeof header);
    if (payload >= sizeof code)
        std::memcpy(bytes.data() + NLMSG_HDRLEN, &code, sizeof code);
    to.insert(to.end(), bytes.begin(), bytes.end());
}

// How many messages of addresses are read, and with which result.
struct Reading {
    int addresses = 0;
    int result = 0;
    int code = 0; // errno
};
Reading read(const std::vector<char>& datagram) {
    Reading reading;
    reading.result = read_list(
        datagram, kSequence, kPort,
        [](const nlmsghdr* message, void* to) {
            if (head_of<ifaddrmsg>(message) == nullptr)
                return MNL_CB_ERROR;
            ++static_cast<Reading*>(to)->addresses;
            return MNL_CB_OK;
        },
        &reading);
    reading.code = reading.result == MNL_CB_ERROR ? errno : 0;
    return reading;
}

Reading read_end(std::uint16_t type, std::size_t payload, int code, std::uint16_t flags = 0) {
    std::vector<char> datagram;
    append(datagram, RTM_NEWADDR, sizeof(ifaddrmsg));
    append(datagram, NLMSG_NOOP, 0);
    append(datagram, type, payload, code, flags);
    append(datagram, RTM_NEWADDR, sizeof(ifaddrmsg));
    const Reading reading = read(datagram);
    CHECK(reading.addresses == 1);
    return reading;
}

} // namespace

TEST_CASE("a list goes on until its end") {
    std::vector<char> datagram;
    append(datagram, RTM_NEWADDR, sizeof(ifaddrmsg));
    append(datagram, RTM_NEWADDR, sizeof(ifaddrmsg));
    const Reading some = read(datagram);
    CHECK(some.result == MNL_CB_OK);
    CHECK(some.addresses == 2);
    CHECK(read_end(NLMSG_DONE, sizeof(int), 0).result == MNL_CB_STOP);
    CHECK(read_end(NLMSG_ERROR, sizeof(nlmsgerr), 0).result == MNL_CB_STOP);
}

TEST_CASE("a list that fails half way, that was interrupted, or whose end is cut, is no list") {
    for (const std::uint16_t type : {std::uint16_t{NLMSG_DONE}, std::uint16_t{NLMSG_ERROR}}) {
        CHECK(read_end(type, sizeof(nlmsgerr), -ENOMEM).code == ENOMEM);
        CHECK(read_end(type, sizeof(int) - 1, 0).code == EBADMSG);
        CHECK(read_end(type, 0, 0).code == EBADMSG);
    }
    CHECK(read_end(NLMSG_DONE, sizeof(int), 0, NLM_F_DUMP_INTR).code == EINTR);
}

TEST_CASE("a message that is shorter than its head is no message") {
    std::vector<char> datagram;
    append(datagram, RTM_NEWADDR, sizeof(ifaddrmsg) - 1);
    const Reading cut = read(datagram);
    CHECK(cut.code == EBADMSG);
    CHECK(cut.addresses == 0);
}

TEST_CASE("an attribute has a number of its own size only, and a text ends with it") {
    constexpr std::size_t kHeadLength = sizeof(nlattr);
    std::vector<char> bytes(kHeadLength + 8, 'x');
    const auto with_size = [&](std::size_t payload) {
        const nlattr head{static_cast<std::uint16_t>(kHeadLength + payload), IFLA_MTU};
        std::memcpy(bytes.data(), &head, sizeof head);
        return reinterpret_cast<const nlattr*>(bytes.data());
    };
    CHECK(number_of<std::uint32_t>(with_size(4)) == 0x78787878u);
    CHECK_FALSE(number_of<std::uint32_t>(with_size(3)));
    CHECK_FALSE(number_of<std::uint32_t>(with_size(8)));
    CHECK(number_of<std::uint16_t>(with_size(2)) == 0x7878u);
    CHECK(text_of(with_size(5)) == "xxxxx");
    CHECK(text_of(with_size(0)).empty());
    bytes[kHeadLength + 2] = '\0';
    CHECK(text_of(with_size(5)) == "xx");
}
