// SPDX-License-Identifier: MIT
#include "client/sequence_plan.h"

#include "client/sequence_sender.h"
#include "client/sequence_verb.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <fstream>

using namespace xk;
using namespace xk::client;
using namespace std::chrono_literals;

namespace {

// A moment of slot 100, which is 3000 s to 3030 s.
WallTime at(std::chrono::milliseconds into) { return slot_begin(100) + into; }

const Place kFour = Address::v4(192, 0, 2, 1), kSix = *Address::parse("2001:db8::1");

std::string profile_file(const test::TemporaryDirectory& directory, const std::string& more) {
    const std::string file = std::string(directory.path()) + "/server.yaml";
    std::ofstream(file) << "server_id: \"b773f9a54a28777aa850a3011ff9ea05\"\ncredential: \"78b43b124fd41ca6\"\n"
                           "key: \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n"
                        << more;
    ::chmod(file.c_str(), 0600);
    return file;
}

std::uint16_t listen_to(const Address& address, Fd& socket) {
    socket = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    REQUIRE(::setsockopt(socket.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0);
    sockaddr_storage name;
    socklen_t size = address.to_sockaddr(name, 0);
    REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), size) == 0);
    REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&name), &size) == 0);
    return ntohs(reinterpret_cast<const sockaddr_in&>(name).sin_port);
}

struct Arrival {
    ssize_t size = -1; // -1: none
    std::pair<Address, std::uint16_t> from;
    std::chrono::nanoseconds at{0}; // as the kernel noted it
};

Arrival next_arrival(const Fd& socket) {
    Arrival arrival;
    sockaddr_in from{};
    char data[16];
    alignas(cmsghdr) char control[64];
    iovec vector{data, sizeof data};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    arrival.size = ::recvmsg(socket.get(), &message, 0);
    if (arrival.size < 0)
        return arrival;
    arrival.from = {Address::of(reinterpret_cast<const sockaddr&>(from)), ntohs(from.sin_port)};
    timespec time{};
    REQUIRE(CMSG_FIRSTHDR(&message) != nullptr);
    std::memcpy(&time, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof time);
    arrival.at = std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    return arrival;
}

constexpr const char* kTotp = "factor: totp\n";
constexpr const char* kHmac = "factor: hmac\nhmac_key: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n";

} // namespace

TEST_CASE("a sequence begins at once where it ends in its slot") {
    CHECK(sequence_length(6, 20ms) == 100ms);
    CHECK(sequence_length(1, 20ms) == 0ms);
    CHECK(sequence_start(at(0ms), 1100ms) == at(0ms));
    CHECK(sequence_start(at(28'900ms), 1100ms) == at(28'900ms));
}

TEST_CASE("a sequence that would straddle two slots waits until the next one has begun at the server too") {
    CHECK(sequence_start(at(28'901ms), 1100ms) == at(30'200ms));
    CHECK(sequence_start(at(28'900ms) + 1us, 1100ms) == at(30'200ms));
    CHECK(sequence_start(at(29'999ms), 1100ms) == at(30'200ms));
    CHECK(sequence_start(at(30'000ms), 1100ms) == at(30'000ms));
}

TEST_CASE("what begins after the wait ends in its slot, for each moment and the slowest sequence") {
    for (const auto time : {1100ms, 10'000ms, 29'000ms})
        for (std::chrono::milliseconds now{0}; now < 30'000ms; now += 7ms) {
            const WallTime start = sequence_start(at(now), time);
            REQUIRE(start >= at(now));
            REQUIRE(start <= at(30'200ms));
            REQUIRE(slot_of(start) == slot_of(start + time - 1us));
            REQUIRE(sequence_start(start, time) == start);
        }
}

TEST_CASE("a printed line goes to one address") {
    CHECK(shell_line(kFour, {27001, 25513, 30000}, 50ms, SequenceBy::udp) ==
          "for p in 27001 25513 30000; do bash -c \"echo >/dev/udp/192.0.2.1/$p\" 2>/dev/null || "
          "(echo | nc -u -w 1 192.0.2.1 $p &); sleep 0.050 2>/dev/null || sleep 1; done");
    CHECK(shell_line(kSix, {27001, 25513}, 1000ms, SequenceBy::tcp) ==
          "for p in 27001 25513; do if command -v bash && command -v timeout; then "
          "(timeout 0.9 bash -c \": >/dev/tcp/2001:db8::1/$p\" &); else (nc -z -w 1 2001:db8::1 $p &); fi >/dev/null; "
          "sleep 1.000 2>/dev/null || sleep 1; done");
}

TEST_CASE("the ports get one empty datagram each, in order, from one address and port of ours, with pauses") {
    const test::TemporaryDirectory directory;
    const Profile profile = load_profile(profile_file(directory, "factor: none\n")).value();
    const Address here = Address::v4(127, 0, 0, 1);
    std::vector<Fd> sockets;
    std::vector<std::uint16_t> ports;
    for (int i = 0; i < 5; ++i)
        ports.push_back(listen_to(here, sockets.emplace_back()));
    std::reverse(ports.begin(), ports.end()); // the kernel may have given them in order
    std::reverse(sockets.begin(), sockets.end());
    std::vector<Way> ways(1);
    ways[0].target = here;
    ways[0].knock = Knock::prepare(profile, {}, here).value();
    REQUIRE(send_sequence(ways, ports, 1ms, SequenceBy::udp, Story(false)).has_value());
    std::vector<Arrival> arrivals;
    for (const Fd& socket : sockets)
        arrivals.push_back(next_arrival(socket));
    for (std::size_t i = 0; i < arrivals.size(); ++i) {
        CHECK(arrivals[i].size == 0);
        CHECK(arrivals[i].from == arrivals[0].from);
        CHECK((i == 0 || arrivals[i].at >= arrivals[i - 1].at + 1ms));
    }
    CHECK(ways[0].happened.knocks == 1);
    CHECK(next_arrival(sockets[0]).size == -1);
}

TEST_CASE("it is an error where the ports can be sent to no server") {
    const test::TemporaryDirectory directory;
    const Profile profile = load_profile(profile_file(directory, "factor: none\n")).value();
    std::vector<Way> ways(2);
    for (std::size_t i = 0; i < 2; ++i) {
        ways[i].target = Address::v4(127, 0, 0, 1);
        ways[i].knock = Knock::prepare(profile, {}, ways[i].target).value();
    }
    // Port 0 is none.
    const auto nothing = send_sequence(ways, {0}, 1ms, SequenceBy::udp, Story(false));
    REQUIRE_FALSE(nothing.has_value());
    CHECK(nothing.error().message.find("knocking at 127.0.0.1: ") == 0);
}

TEST_CASE("a device with a second factor is refused before anything else, and the hint says how to make one without") {
    const test::TemporaryDirectory directory;
    for (const std::string factor : {kTotp, kHmac}) {
        const auto refused = check_factor(load_profile(profile_file(directory, factor)).value());
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().message.find("carries no code") != std::string::npos);
        CHECK(refused.error().hint.find("knockctl keygen USER --device NAME --factor none") != std::string::npos);
        CHECK(refused.error().exit == Exit::configuration);
    }
    CHECK(check_factor(load_profile(profile_file(directory, "factor: none\n")).value()).has_value());
}

TEST_CASE("the verb ends with the code of the fault, and sends nothing") {
    const test::TemporaryDirectory directory;
    Arguments a;
    a.host = "192.0.2.1";
    a.profile = profile_file(directory, kHmac);
    CHECK(run_sequence(a) == 78);
    a.profile = profile_file(directory, "factor: none\nservices: {ssh: [tcp/22]}\n");
    a.service = "shh";
    CHECK(run_sequence(a) == 2);
    a.service.clear();
    a.source = "nowhere";
    CHECK(run_sequence(a) == 2);
}

TEST_CASE("a code of c-lock becomes its ports, and what is no code is refused") {
    CHECK(code_ports(" 287082\n", 4).value() == std::vector<std::uint16_t>{22251, 45971, 34763, 20230});
    CHECK(code_ports("287082", 6).value().size() == 6);
    for (const char* code : {"", " ", "28708", "2870820", "28708x"})
        CHECK(code_ports(code, 4).error().exit == Exit::usage);
    Arguments a;
    a.host = "127.0.0.1";
    a.code = "12345";
    CHECK(run_sequence(a) == 2);
    a.code = "123456";
    a.service = "ssh";
    CHECK(run_sequence(a) == 2);
    a.service.clear();
    a.pause = 1;
    CHECK(run_sequence(a) == 0); // closed ports of this very machine
}
