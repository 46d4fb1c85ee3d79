// SPDX-License-Identifier: MIT
#include "daemon/privsep/budget.h"
#include "daemon/privsep/messages.h"
#include "tests/unit/recording/failing_calls.h"
#include "tests/unit/recording/left_behind.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
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
    const BootTime before = BootClock::now();
    CHECK_FALSE(send(ends.second, Ping{}).has_value()); // EPIPE, no signal
    CHECK(BootClock::now() - before < kPatience / 2);   // it is not a peer that is behind
}

TEST_CASE("the end of a connection is seen whatever errno was before, and where the peer has left messages unread") {
    for (const int code : {EAGAIN, EINTR, EIO}) {
        auto ends = Channel::pair().value();
        { const Channel gone = std::move(ends.first); }
        errno = code;
        CHECK_FALSE(ends.second.receive(false).value().has_value());
        CHECK(ends.second.closed());
    }
    auto ends = Channel::pair().value();
    REQUIRE(send(ends.second, Ping{}));
    { const Channel gone = std::move(ends.first); }
    CHECK_FALSE(ends.second.receive(false).value().has_value()); // ECONNRESET
    CHECK(ends.second.closed());
}

TEST_CASE("an error of the socket is no end of the connection, and no full socket") {
    auto ends = Channel::pair().value();
    errno = ECONNRESET;
    bool refused = false;
    with_failing_call({SYS_recvmsg, EIO}, [&] { refused = !ends.second.receive(false).has_value(); });
    CHECK(refused);
    CHECK_FALSE(ends.second.closed());
    const Ping ping;
    const ByteView bytes(reinterpret_cast<const std::uint8_t*>(&ping), sizeof ping);
    for (const int code : {EAGAIN, EINTR, ENOBUFS, ENOMEM, EPIPE, EIO}) {
        CAPTURE(code);
        std::optional<Result<bool>> sent;
        with_failing_call({SYS_sendmsg, code}, [&] { sent = ends.first.try_send(bytes); });
        CHECK(sent->has_value() == (code != EPIPE && code != EIO));
        if (*sent)
            CHECK_FALSE(**sent);
    }
    CHECK(ends.first.try_send(bytes).value());
}

TEST_CASE("a signal interrupts neither who waits for room nor who waits for a message") {
    auto ends = Channel::pair().value();
    struct sigaction nothing {};
    nothing.sa_handler = [](int) {}; // without SA_RESTART
    struct sigaction before {};
    REQUIRE(::sigaction(SIGUSR1, &nothing, &before) == 0);
    const auto with_signals = [](const std::function<void()>& blocks, const std::function<void()>& ends_it) {
        std::atomic<bool> over = false;
        std::thread blocked([&] {
            blocks();
            over = true;
        });
        for (int i = 0; i < 20; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5)); // it has to be blocked in the kernel
            ::pthread_kill(blocked.native_handle(), SIGUSR1);
        }
        CHECK_FALSE(over);
        ends_it();
        blocked.join();
    };
    bool received = false, sent = false;
    with_signals([&] { received = ends.second.receive(true).value().has_value(); },
                 [&] { REQUIRE(send(ends.first, Ping{})); });
    CHECK(received);
    const Ping ping;
    while (ends.first.try_send({reinterpret_cast<const std::uint8_t*>(&ping), sizeof ping}).value()) {
    }
    with_signals([&] { sent = send(ends.first, Pong{}).has_value(); },
                 [&] {
                     while (const auto next = ends.second.receive(true).value())
                         if (as<Pong>(*next))
                             break;
                 });
    CHECK(sent);
    ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("of the other data beside a message only descriptors are taken") {
    auto ends = Channel::pair().value();
    const int on = 1;
    REQUIRE(::setsockopt(ends.second.fd(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
    const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int fd = null.get();
    const auto before = open_descriptors();
    REQUIRE(send(ends.first, Ping{}, {&fd, 1}));
    REQUIRE(send(ends.first, Ping{}));
    CHECK(ends.second.receive(true).value()->fds.size() == 1);
    CHECK(ends.second.receive(true).value()->fds.empty());
    CHECK(open_descriptors() == before);
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

TEST_CASE("the worker's tags are read as what they mean, and others are refused") {
    const auto scope_of = [](auto Tags::*field, std::uint32_t value) {
        auto tags = std::make_unique<Tags>();
        (*tags).*field = value;
        return checked(*tags);
    };
    CHECK(scope_of(&Tags::count, kTagsInMessage) == TagScope::more);
    CHECK_FALSE(scope_of(&Tags::count, kTagsInMessage + 1));
    for (auto Tags::*flag : {&Tags::first, &Tags::last}) {
        CHECK(scope_of(flag, 0) == TagScope::more);
        CHECK(scope_of(flag, 1) == TagScope::more);
        CHECK_FALSE(scope_of(flag, 2));
        CHECK_FALSE(scope_of(flag, UINT32_MAX));
    }
    CHECK(scope_of(&Tags::scope, 1) == TagScope::all);
    CHECK(scope_of(&Tags::scope, 2) == TagScope::changed);
    CHECK_FALSE(scope_of(&Tags::scope, 3));
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
