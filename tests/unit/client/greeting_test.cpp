// SPDX-License-Identifier: MIT
//
// Knocks by handshake, against the server's part of protocol/handshake.h behind a real UDP socket.
#include "client/code.h"
#include "client/connect.h"
#include "client/unwatched.h"
#include "protocol/encoding.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <deque>
#include <fstream>
#include <thread>

using namespace xk;
using namespace xk::client;
using namespace std::chrono_literals;
using handshake::Number;

namespace {

using Clock = Greeting::Clock;
using Packets = std::vector<wire::Packet>;

constexpr const char* kServerId = "b773f9a54a28777aa850a3011ff9ea05";
constexpr const char* kHmacKey = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const Address kHere = Address::v4(127, 0, 0, 1), kSeen = Address::v4(198, 51, 100, 7);

// The state directory of one test.
struct State {
    test::TemporaryDirectory directory;
    State() { ::setenv("XDG_STATE_HOME", directory.path().c_str(), 1); }
    ~State() { ::unsetenv("XDG_STATE_HOME"); }
    void lose() const { std::filesystem::remove_all(directory.path() + "/xknock"); }
    std::string text() const { return directory.read("xknock/hello-78b43b124fd41ca6"); }
};

Profile profile_at(std::uint16_t port, const std::string& more = "factor: none\n") {
    const test::TemporaryDirectory directory;
    const std::string file = directory.path() + "/server.yaml";
    std::ofstream(file) << "server_id: \"" << kServerId << "\"\ncredential: \"78b43b124fd41ca6\"\n"
                        << "key: \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\nmode: handshake\nwait: 4s\n"
                        << "knock_port: " << port << "\n"
                        << more;
    ::chmod(file.c_str(), 0600);
    return load_profile(file).value();
}

class Server {
  public:
    Server() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        sockaddr_storage address;
        socklen_t size = kHere.to_sockaddr(address, 0);
        REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
        size = sizeof address;
        ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
        port = ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
        handshake::derive_keys(*keys, profile_at(port).keys->handshake);
    }

    std::uint16_t port = 0;
    Secret<handshake::Keys> keys;
    Number last = 0;
    std::chrono::microseconds ahead{24h}; // of this machine's clock
    // What is sent for an answer: itself, nothing, or more.
    std::function<Packets(const wire::Packet& hello, const wire::Packet& answer)> answers =
        [](const wire::Packet&, const wire::Packet& answer) { return Packets{answer}; };
    unsigned ignored = 0; // packets that were neither

    struct Open {
        Number number;
        Secret<noise::Handshake> state;
        Secret<CredentialKeys> keys;
        std::optional<wire::Packet> request_packet;
        std::optional<RequestBytes> request;
        unsigned copies = 0;
    };
    std::deque<Open> open;

    void serve() {
        wire::Packet packet;
        sockaddr_storage from;
        socklen_t size = sizeof from;
        while (::recvfrom(socket_.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&from), &size) ==
               static_cast<ssize_t>(packet.size()))
            if (!take_request(packet))
                take_hello(packet, from);
    }
    Wait serving() {
        return [this](int fd, Clock::time_point until) {
            while (Clock::now() < until) {
                serve();
                pollfd one{fd, POLLIN, 0};
                if (::poll(&one, 1, 5) == 1)
                    break;
            }
            return false;
        };
    }
    Request request(std::size_t i = 0) const {
        REQUIRE(open.at(i).request.has_value());
        const auto decoded = decode_request(*open[i].request);
        REQUIRE(std::holds_alternative<Request>(decoded));
        return std::get<Request>(decoded);
    }

  private:
    bool take_request(const wire::Packet& packet) {
        for (Open& one : open) {
            const GateKeys gate = gate_keys(one.keys->gate, 0);
            if (gate.tag != packet_tag(packet) || !mac_matches(gate.mac_key, packet))
                continue;
            one.copies += one.request_packet == packet;
            one.request_packet = packet;
            one.request = open_box(one.keys->seal, 0, packet);
            return true;
        }
        return false;
    }
    void take_hello(const wire::Packet& packet, const sockaddr_storage& from) {
        for (Number number = last + 1; number <= last + 64; ++number) {
            const GateKeys gate = gate_keys(keys->hello.gate, number);
            if (gate.tag != packet_tag(packet) || !mac_matches(gate.mac_key, packet))
                continue;
            Open one{number, Secret<noise::Handshake>(), Secret<CredentialKeys>(), {}, {}, 0};
            REQUIRE(handshake::read_hello(*one.state, *keys, server_id(), number, packet));
            last = number;
            Key ephemeral;
            randombytes_buf(ephemeral.data(), ephemeral.size());
            const handshake::Answer answer{Now::read().wall + ahead, kSeen, 40000};
            const auto sealed = handshake::write_answer(*one.state, *keys, number, ephemeral, answer).value();
            Secret<noise::TransportKeys> transport;
            one.state->split(*transport);
            handshake::derive_request_keys(*one.keys, *transport);
            open.push_back(std::move(one));
            for (const wire::Packet& out : answers(packet, sealed))
                send(out, from);
            return;
        }
        ++ignored;
    }
    void send(std::span<const std::uint8_t> bytes, const sockaddr_storage& to) const {
        ::sendto(socket_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                 sizeof(sockaddr_in));
    }
    static wire::ServerId server_id() { return *from_hex<wire::kServerIdSize>(kServerId); }

    Fd socket_;
};

RequestSpec ssh() {
    RequestSpec spec;
    spec.endpoint = {IpProtocol::tcp, 22};
    return spec;
}

// Whether a knock at the server has an answer after this time.
bool greets(Knock& knock, Server& server, std::chrono::milliseconds time = 3s) {
    return knock.greet(Clock::now() + time, server.serving(), [](Number) {}).value();
}

} // namespace

TEST_CASE("hello, answer, request: the address is the one that the server saw, and the clock is the server's") {
    const State state;
    Server server;
    const Profile profile = profile_at(server.port);
    auto knock = Knock::prepare(profile, ssh(), kHere).value();
    CHECK(knock.needs_greeting());
    CHECK_FALSE(knock.send("").has_value()); // without an answer nothing can be sealed
    REQUIRE(greets(knock, server));
    CHECK(knock.greeting()->answer().seen == kSeen);
    CHECK(std::chrono::abs(knock.greeting()->server_ahead() - 24h) < 1s);
    REQUIRE(knock.send("").has_value());
    REQUIRE(knock.send_copy().has_value());
    server.serve();
    const Request request = server.request();
    CHECK(request.endpoint == Endpoint{IpProtocol::tcp, 22});
    CHECK(request.address_mode == AddressMode::bound);
    CHECK(request.address == kSeen);
    CHECK(std::chrono::abs(request.clock - (Now::read().wall + 24h)) < 1s);
    CHECK(server.open[0].copies == 1);
    CHECK(server.ignored == 0);
    CHECK(state.text() == "1 0 0\n");
    CHECK(knock.needs_greeting()); // an answer serves for one request
    REQUIRE(greets(knock, server));
    REQUIRE(knock.send("").has_value());
    server.serve();
    CHECK(server.open.at(1).number == 2);
    CHECK(server.request(1).id == request.id);
}

TEST_CASE("a request for another address stays one") {
    const State state;
    Server server;
    RequestSpec spec = ssh();
    spec.for_address = Address::v4(203, 0, 113, 9);
    const Profile profile = profile_at(server.port);
    auto knock = Knock::prepare(profile, spec, kHere).value();
    REQUIRE(greets(knock, server));
    REQUIRE(knock.send("").has_value());
    server.serve();
    CHECK(server.request().address_mode == AddressMode::delegated);
    CHECK(server.request().address == *spec.for_address);
}

TEST_CASE("a profile that says \"nat: never\" accepts no address but our own") {
    const State state;
    Server server;
    const Profile profile = profile_at(server.port, "factor: none\nnat: never\n");
    SUBCASE("of a knock for where it comes from") {
        auto knock = Knock::prepare(profile, ssh(), kHere).value();
        for (int i = 0; i < 2; ++i) { // nor the second time
            REQUIRE(greets(knock, server));
            const auto sent = knock.send("");
            REQUIRE_FALSE(sent.has_value());
            CHECK(sent.error().message.starts_with("the server sees 198.51.100.7 and not 127.0.0.1: "));
        }
        server.serve();
        CHECK_FALSE(server.open.at(0).request.has_value());
    }
    SUBCASE("but a knock for another address needs none") {
        RequestSpec spec = ssh();
        spec.for_address = Address::v4(203, 0, 113, 9);
        auto knock = Knock::prepare(profile, spec, kHere).value();
        REQUIRE(greets(knock, server));
        CHECK(knock.send("").has_value());
    }
}

TEST_CASE("the proof of an HMAC factor is for this handshake") {
    const State state;
    Server server;
    const Profile profile = profile_at(server.port, std::string("factor: hmac\nhmac_key: ") + kHmacKey + "\n");
    auto knock = Knock::prepare(profile, ssh(), kHere).value();
    REQUIRE(greets(knock, server));
    REQUIRE(knock.send("").has_value());
    server.serve();
    const Request request = server.request();
    Bytes<32> key;
    key.fill(1);
    const auto& open = server.open[0];
    const auto message =
        handshake::signed_message(profile.server_id, open.state->transcript(), packet_tag(*open.request_packet),
                                  packet_nonce(*open.request_packet), *open.request);
    CHECK(hmac_matches(key, message, request.proof));
}

TEST_CASE("a lost answer: the next hello has the next number") {
    const State state;
    Server server;
    server.answers = [](auto&, const wire::Packet& answer) {
        static unsigned count = 0;
        return ++count == 1 ? Packets{} : Packets{answer};
    };
    const Profile profile = profile_at(server.port);
    auto knock = Knock::prepare(profile, ssh(), kHere).value();
    REQUIRE(greets(knock, server));
    CHECK(server.last == 2);
    CHECK(server.ignored == 1); // the copy of the first
    CHECK(state.text() == "2 0 0\n");
}

TEST_CASE("the answer to an earlier hello may come late") {
    const State state;
    Server server;
    server.answers = [](auto&, const wire::Packet& answer) {
        static wire::Packet first;
        static unsigned count = 0;
        if (++count == 1)
            first = answer;
        return count == 1 ? Packets{} : Packets{first};
    };
    const Profile profile = profile_at(server.port);
    auto knock = Knock::prepare(profile, ssh(), kHere).value();
    REQUIRE(greets(knock, server));
    REQUIRE(knock.send("").has_value());
    server.serve();
    CHECK(server.request(0).address == kSeen);
    CHECK_FALSE(server.open.at(1).request.has_value());
}

TEST_CASE("packets that are no answer to a hello of ours are ignored") {
    const State state;
    Server server;
    server.answers = [&](const wire::Packet& hello, const wire::Packet& answer) {
        wire::Packet noise, changed = answer;
        randombytes_buf(noise.data(), noise.size());
        changed[100] ^= 1;
        return Packets{noise, hello, changed, answer}; // a mirror's too
    };
    const Profile profile = profile_at(server.port);
    auto knock = Knock::prepare(profile, ssh(), kHere).value();
    REQUIRE(greets(knock, server));
    CHECK(server.last == 1);
}

TEST_CASE("an answer of an earlier run that has our number does not end the handshake") {
    const State state;
    Packets heard;
    const auto run = [&](bool replay) {
        Server server;
        server.answers = [&](auto&, const wire::Packet& answer) {
            Packets out = replay ? heard : Packets{};
            heard.push_back(answer);
            out.push_back(answer);
            return out;
        };
        const Profile profile = profile_at(server.port);
        auto knock = Knock::prepare(profile, ssh(), kHere).value();
        REQUIRE(greets(knock, server, 400ms)); // with the first hello
        REQUIRE(knock.send("").has_value());
        server.serve();
        CHECK(server.open.at(0).number == 1);
        CHECK(server.request().address == kSeen);
    };
    run(false);
    state.lose();
    run(true);
}

TEST_CASE("a client that has lost its state finds the server's window") {
    const State state;
    Server server;
    server.last = 1000;
    const Profile profile = profile_at(server.port);
    auto knock = Knock::prepare(profile, ssh(), kHere).value();
    REQUIRE(greets(knock, server, 4s));
    CHECK(server.last == 1024);
    CHECK(state.text() == "1024 0 0\n");
    auto again = Knock::prepare(profile, ssh(), kHere).value();
    REQUIRE(greets(again, server, 400ms));
    CHECK(server.last == 1025);
}

TEST_CASE("where strides left while the answer was on its way, the next run begins behind them") {
    const State state;
    Server server;
    server.last = 100;
    server.answers = [](auto&, const wire::Packet& answer) {
        static wire::Packet first;
        static unsigned count = 0;
        if (++count == 1)
            first = answer;
        return count == 3 ? Packets{first} : Packets{};
    };
    const Profile profile = profile_at(server.port);
    auto knock = Knock::prepare(profile, ssh(), kHere).value();
    REQUIRE(greets(knock, server, 4s));
    CHECK(server.open.at(0).number == 128);
    CHECK(server.last == 256);
    CHECK(state.text() == "256 0 0\n");
}

TEST_CASE("where nobody answers nothing is sent, and the state knows which numbers were used") {
    const State state;
    Server server;
    server.answers = [](auto&, auto&) { return Packets{}; };
    const Profile profile = profile_at(server.port);
    auto knock = Knock::prepare(profile, ssh(), kHere).value();
    CHECK_FALSE(greets(knock, server, 600ms));
    CHECK(knock.needs_greeting());
    CHECK_FALSE(knock.send("").has_value());
    CHECK(state.text() == "0 2 0\n");
    // Two clients at once do not take the same number.
    HelloPlan one, two;
    HelloNumbers first(profile), second(profile);
    CHECK(first.next(one) == 3);
    CHECK(second.next(two) == 4);
    CHECK(first.next(one) == 5);
}

TEST_CASE("whoever says stop is heard while an answer is awaited") {
    const State state;
    Server server;
    const Profile profile = profile_at(server.port);
    auto knock = Knock::prepare(profile, ssh(), kHere).value();
    const auto begin = Clock::now();
    const auto greeted = knock.greet(
        begin + 3s, [](int, Clock::time_point) { return true; }, [](Number) {});
    REQUIRE(greeted.has_value());
    CHECK_FALSE(*greeted);
    CHECK(Clock::now() - begin < 2s);
}

TEST_CASE("a request whose port is not tried is sent behind the answer, with a code for the server's clock") {
    const State state;
    Server server;
    const char* const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    const Profile profile = profile_at(server.port, std::string("factor: totp\notp_secret: ") + secret + "\n");
    Codes codes(profile, {});
    RequestSpec spec = ssh();
    spec.action = Action::close;
    const auto sent =
        knock_unwatched(profile, spec, "127.0.0.1",
                        {[&] { return codes.next_unwatched(); }, [&](const std::string& code) { codes.used(code); },
                         [&](std::chrono::microseconds ahead) { codes.server_is_ahead(ahead); }},
                        Story(false), resolve, resolve_soon, server.serving());
    REQUIRE_MESSAGE(sent.has_value(), (sent ? "" : sent.error().message));
    server.serve();
    const Request request = server.request();
    CHECK(request.action == Action::close);
    CHECK(server.open[0].copies == 1);
    const std::string_view text("12345678901234567890");
    const ByteView bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    const auto step = match_totp(bytes, 6, Now::read().wall + server.ahead, request.proof);
    CHECK(step.has_value());
    CHECK_FALSE(match_totp(bytes, 6, Now::read().wall, request.proof).has_value());
}

TEST_CASE("a server that does not answer is an error that says so") {
    const State state;
    Server server;
    Profile profile = profile_at(server.port);
    profile.wait = 1s;
    const auto sent = knock_unwatched(
        profile, ssh(), "127.0.0.1", {[] { return Result<std::string>(""); }, [](auto&) {}, [](auto) {}}, Story(false));
    REQUIRE_FALSE(sent.has_value());
    CHECK(sent.error().message == "the server does not answer\n  127.0.0.1: 2 hellos, then silence");
    CHECK(sent.error().hint.find("may this device knock by handshake") == 0);
}

TEST_CASE("a connection that stands behind a handshake") {
    struct Nobody : CodeSource {
        unsigned sent = 0;
        Result<std::optional<std::string>> next(const std::function<bool(std::chrono::milliseconds)>&) override {
            return std::optional<std::string>("");
        }
        void used(const std::string&) override { ++sent; }
        bool is_person() const override { return false; }
        bool may_ask_again() const override { return false; }
    } nobody;
    const State state;
    Server server;
    const Profile profile = profile_at(server.port);
    const Fd port(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage address;
    socklen_t size = kHere.to_sockaddr(address, 0);
    REQUIRE(::bind(port.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(port.get(), 4) == 0);
    size = sizeof address;
    ::getsockname(port.get(), reinterpret_cast<sockaddr*>(&address), &size);
    RequestSpec spec;
    spec.endpoint = {IpProtocol::tcp, ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port)};
    std::atomic<bool> is_over = false;
    std::thread thread([&] {
        while (!is_over) {
            server.serve();
            std::this_thread::sleep_for(2ms);
        }
    });
    const auto connected = knock_and_connect(profile, spec, "127.0.0.1", spec.endpoint.port, nobody, Story(false));
    const bool stands = connected.has_value();
    std::this_thread::sleep_for(20ms); // the request may still be on its way
    is_over = true;
    thread.join();
    CHECK(stands);
    CHECK(nobody.sent == 1);
    CHECK(server.request().endpoint == spec.endpoint);
    CHECK(server.request().address == kSeen);
}
