// SPDX-License-Identifier: MIT
#include "daemon/privsep/budget.h"
#include "daemon/privsep/messages.h"
#include "tests/unit/recording/left_behind.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <thread>

using namespace xk;
using namespace xk::privsep;
using namespace xk::test;

namespace {

std::size_t open_descriptors() {
    std::size_t n = 0;
    for (int fd = 0; fd < 256; ++fd)
        n += ::fcntl(fd, F_GETFD) != -1;
    return n;
}

} // namespace

TEST_CASE("a message arrives whole, with its descriptors") {
    auto ends = Channel::pair().value();
    const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int fds[] = {null.get(), null.get()};
    Secrets message;
    message.first = 7;
    REQUIRE(send(ends.first, message, fds));
    auto received = ends.second.receive(true).value();
    REQUIRE(received.has_value());
    CHECK(received->fds.size() == 2);
    CHECK((::fcntl(received->fds[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
    const auto secrets = as<Secrets>(*received);
    REQUIRE(secrets.has_value());
    CHECK(secrets->first == 7);
    CHECK(received->bytes.capacity() == sizeof message); // many may wait: of each, no more than it is
}

TEST_CASE("a message of another type, or of another size than its type's, is none") {
    Received r;
    CHECK(type_of(r) == Type{});
    CHECK_FALSE(as<Ping>(r).has_value());
    const Ping ping;
    r.bytes.resize(sizeof ping);
    std::memcpy(r.bytes.data(), &ping, sizeof ping);
    CHECK(as<Ping>(r).has_value());
    CHECK_FALSE(as<Pong>(r).has_value());
    r.bytes.push_back(0);
    CHECK_FALSE(as<Ping>(r).has_value());
    r.bytes.resize(sizeof ping - 1);
    CHECK_FALSE(as<Ping>(r).has_value());
    r.bytes.resize(3);
    CHECK(type_of(r) == Type{});
}

TEST_CASE("more messages than the socket holds wait for a peer that is behind, and all of them arrive in order") {
    auto ends = Channel::pair().value();
    REQUIRE(::fcntl(ends.first.fd(), F_SETFL, O_NONBLOCK) == 0);
    constexpr std::uint32_t kMany = 5000;
    std::uint32_t got = 0;
    std::thread reader([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        for (; got < kMany; ++got) {
            const auto received = ends.second.receive(true).value();
            const auto ping = received ? as<Ping>(*received) : std::nullopt;
            if (!ping || ping->number != got)
                return;
        }
    });
    Ping ping;
    bool sent = true;
    for (; sent && ping.number < kMany; ++ping.number)
        sent = send(ends.first, ping).has_value();
    reader.join();
    CHECK(sent);
    CHECK(got == kMany);
}

TEST_CASE("an empty channel is not taken for a closed one") {
    auto ends = Channel::pair().value();
    CHECK_FALSE(ends.second.receive(false).value().has_value());
    CHECK_FALSE(ends.second.closed());
    { const Channel gone = std::move(ends.first); }
    CHECK_FALSE(ends.second.receive(true).value().has_value());
    CHECK(ends.second.closed());
    CHECK_FALSE(send(ends.second, Ping{}).has_value()); // EPIPE, no signal
}

TEST_CASE("a message that is too long, or brings too many descriptors, is refused and leaves none open") {
    auto ends = Channel::pair().value();
    const auto before = open_descriptors();
    const std::vector<std::uint8_t> large(kMaxMessage + 1);
    REQUIRE(ends.first.send(large));
    CHECK_FALSE(ends.second.receive(true).has_value());

    // More descriptors than Channel would send, straight through the socket.
    int fds[kMaxFds + 1];
    std::fill(std::begin(fds), std::end(fds), STDERR_FILENO);
    char byte = 0;
    iovec part{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fds);
    std::memcpy(CMSG_DATA(c), fds, sizeof fds);
    REQUIRE(::sendmsg(ends.first.fd(), &message, 0) == 1);
    CHECK_FALSE(ends.second.receive(true).has_value());
    CHECK(open_descriptors() == before);
}

TEST_CASE("what a message carried is in no memory that is free again, also where the message is refused") {
    auto ends = Channel::pair().value();
    auto message = std::make_unique<Tags>();
    Bytes<wire::kMacKeySize>& key = message->tags[kTagsInMessage - 1].mac_key;
    key.fill(0xa5);
    REQUIRE(send(ends.first, *message));
    bool read = false;
    CHECK_FALSE(leaves_behind(key, [&] {
        const auto received = ends.second.receive(true).value();
        Tags copy;
        const Wiped wiped(copy);
        read = received && read_into(copy, *received) && copy.tags[kTagsInMessage - 1].mac_key[0] == 0xa5;
    }));
    CHECK(read);
    std::vector<std::uint8_t> large(kMaxMessage + 1);
    std::copy(key.begin(), key.end(), large.begin() + 100);
    REQUIRE(ends.first.send(large));
    bool refused = false;
    CHECK_FALSE(leaves_behind(key, [&] { refused = !ends.second.receive(true).has_value(); }));
    CHECK(refused);
    // The search itself finds what is left.
    CHECK(leaves_behind(key, [&] { const std::vector<std::uint8_t> copy(key.begin(), key.end()); }));
    CHECK(leaves_behind(key, [&] {
        volatile std::uint8_t copy[wire::kMacKeySize];
        std::copy(key.begin(), key.end(), copy);
    }));
}

TEST_CASE("a non-blocking side is not held up by a side that does not read") {
    auto ends = Channel::pair().value();
    REQUIRE(::fcntl(ends.first.fd(), F_SETFL, O_NONBLOCK) == 0);
    bool refused = false;
    for (int i = 0; i < 100'000 && !refused; ++i)
        refused = !send(ends.first, Ping{}).has_value();
    CHECK(refused);
}

TEST_CASE("every message fits into the reader's buffer") {
    CHECK(sizeof(Tags) <= kMaxMessage);
    CHECK(sizeof(NewPolicy) <= kMaxMessage);
}

TEST_CASE("the worker's numbers are read as what they mean, and others are refused") {
    authz::GrantRequest request;
    request.address = Address::v4(192, 0, 2, 7);
    request.target = Address::v4(192, 0, 2, 8);
    request.endpoint = {IpProtocol::sctp, 5000};
    request.service = 9;
    request.single_use = true;
    request.lifetime = 60;
    const RequestGrant ask = request_grant(GrantVerb::close, {1, 2}, request);
    CHECK(ask.credential == wire::CredentialId{1, 2});
    const auto asked = checked(ask);
    REQUIRE(asked.has_value());
    CHECK(asked->verb == GrantVerb::close);
    CHECK(asked->request.address == request.address);
    CHECK(asked->request.target == request.target);
    CHECK(asked->request.endpoint == request.endpoint);
    CHECK(asked->request.service == 9);
    CHECK(asked->request.single_use);
    CHECK(asked->request.lifetime == 60);
    const auto means = [&](auto RequestGrant::*field, unsigned value) {
        RequestGrant other = ask;
        other.*field = static_cast<std::remove_reference_t<decltype(other.*field)>>(value);
        return checked(other).has_value();
    };
    for (unsigned value = 0; value < 256; ++value) {
        CHECK(means(&RequestGrant::single_use, value) == (value <= 1));
        CHECK(means(&RequestGrant::verb, value) == (value >= 1 && value <= 3));
        CHECK(means(&RequestGrant::protocol, value) == (value == 0 || value == 6 || value == 17 || value == 132));
        Notice notice;
        notice.kind = value;
        CHECK(checked(notice).has_value() == (value >= 1 && value <= 3));
    }
    CHECK_FALSE(means(&RequestGrant::verb, UINT32_MAX));
}

TEST_CASE("a budget allows its size at once and its rate after that") {
    using namespace std::chrono_literals;
    Budget budget(3, 2);
    BootTime now(1000s);
    for (int i = 0; i < 3; ++i)
        CHECK(budget.try_spend(now));
    CHECK_FALSE(budget.try_spend(now));
    CHECK_FALSE(budget.try_spend(now + 400ms));
    CHECK(budget.try_spend(now + 500ms));
    CHECK_FALSE(budget.try_spend(now + 500ms));
    now += 1h; // and never more than it began with
    for (int i = 0; i < 3; ++i)
        CHECK(budget.try_spend(now));
    CHECK_FALSE(budget.try_spend(now));
}
