// SPDX-License-Identifier: MIT
#include "client/connect.h"

#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

using namespace xk;
using namespace xk::client;
using namespace std::chrono_literals;

namespace {

// A TCP port of this host: bound, and shut until listen().
class Port {
  public:
    Port() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_storage address;
        socklen_t size = Address::v4(127, 0, 0, 1).to_sockaddr(address, 0);
        REQUIRE(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
        size = sizeof address;
        ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size);
        number = ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
    }
    void listen(int backlog = 16) const { REQUIRE(::listen(fd_.get(), backlog) == 0); }
    void close() { fd_.reset(); }
    std::uint16_t number = 0;

  private:
    Fd fd_;
};

// A person who types the same thing each time, or watches the port until it is open.
struct Person : CodeSource {
    unsigned asked = 0, sent = 0, most = 3;
    std::function<void()> before_typing = [] {};
    bool waits_for_port = false;
    Result<std::optional<std::string>> next(const std::function<bool(std::chrono::milliseconds)>& opened) override {
        ++asked;
        before_typing();
        while (waits_for_port)
            if (opened(50ms))
                return std::optional<std::string>();
        return std::optional<std::string>("123456");
    }
    void used(const std::string& code) override { sent += code == "123456" ? 1u : 0u; }
    bool is_person() const override { return true; }
    bool may_ask_again() const override { return asked < most; }
};

// Nothing to type.
struct Nobody : CodeSource {
    unsigned sent = 0;
    std::function<void()> before = [] {};
    Result<std::optional<std::string>> next(const std::function<bool(std::chrono::milliseconds)>&) override {
        before();
        return std::optional<std::string>("");
    }
    void used(const std::string&) override { ++sent; }
    bool is_person() const override { return false; }
    bool may_ask_again() const override { return false; }
};

Profile profile_with(const std::string& more, const std::string& wait = "1s") {
    const test::TemporaryDirectory directory;
    const std::string file = std::string(directory.path()) + "/server.yaml";
    std::ofstream(file) << "server_id: \"b773f9a54a28777aa850a3011ff9ea05\"\ncredential: \"78b43b124fd41ca6\"\n"
                           "key: \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n"
                        << "wait: " << wait << "\n"
                        << more;
    ::chmod(file.c_str(), 0600);
    return load_profile(file).value();
}

Result<Connected> connect_to(const Profile& profile, const Port& port, CodeSource& codes) {
    RequestSpec spec;
    spec.endpoint = {IpProtocol::tcp, port.number};
    return knock_and_connect(profile, spec, "127.0.0.1", port.number, codes, Story(false));
}

} // namespace

TEST_CASE("a person whose code does not open is asked as often as the source allows, and each code is sent") {
    const Port port;
    Person person;
    const auto connected = connect_to(profile_with("factor: totp\n"), port, person);
    REQUIRE_FALSE(connected.has_value());
    CHECK(person.asked == 3);
    CHECK(person.sent == 3);
    CHECK(connected.error().message.find("127.0.0.1: ") != std::string::npos);
    CHECK(connected.error().hint.find("was the code right") != std::string::npos);
}

TEST_CASE("a port that is open already asks nobody") {
    const Port port;
    port.listen();
    Person person;
    const auto connected = connect_to(profile_with("factor: totp\n"), port, person);
    REQUIRE(connected.has_value());
    CHECK_FALSE(connected->knocked);
    CHECK(person.asked == 0);
}

TEST_CASE("a port that opens while a person is asked ends the question, and nothing is sent") {
    const Port port;
    Person person;
    person.before_typing = [&] { port.listen(); };
    person.waits_for_port = true;
    const auto connected = connect_to(profile_with("factor: totp\n"), port, person);
    REQUIRE(connected.has_value());
    CHECK_FALSE(connected->knocked);
    CHECK(person.sent == 0);
}

TEST_CASE("where nobody types the knock is sent, and the connection stands behind it") {
    const Port port;
    port.listen();
    Nobody nobody;
    const auto connected = connect_to(profile_with("factor: none\n"), port, nobody);
    REQUIRE(connected.has_value());
    CHECK(connected->knocked);
    CHECK(nobody.sent == 1);
}

TEST_CASE("where every address answers with a reset it ends when the retries are over, long before the wait") {
    const Port port;
    Nobody nobody;
    const auto connected = connect_to(profile_with("factor: none\n", "5m"), port, nobody);
    REQUIRE_FALSE(connected.has_value());
    CHECK(connected.error().message.find("127.0.0.1: 3 knocks, then reset") != std::string::npos);
}

// However early the attempts beside the knock are answered: the probe before it was not.
TEST_CASE("a person is not asked again where what was silent before the knock answers with a reset after it") {
    Port port;
    port.listen(0);
    const Fd first(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); // the kernel drops what comes behind it
    sockaddr_storage address;
    const socklen_t size = Address::v4(127, 0, 0, 1).to_sockaddr(address, port.number);
    REQUIRE(::connect(first.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    Person person;
    person.before_typing = [&] { port.close(); };
    const auto connected = connect_to(profile_with("factor: totp\n"), port, person);
    REQUIRE_FALSE(connected.has_value());
    CHECK(person.asked == 1);
    CHECK(connected.error().message.find("it is open and nobody listens") != std::string::npos);
    CHECK(connected.error().message.find("answers as closed") == std::string::npos);
}

TEST_CASE("a service that is just starting is waited for") {
    const Port port;
    Nobody nobody;
    std::thread service;
    nobody.before = [&] {
        service = std::thread([&] {
            std::this_thread::sleep_for(700ms);
            port.listen();
        });
    };
    const auto connected = connect_to(profile_with("factor: none\n", "5m"), port, nobody);
    service.join();
    CHECK(connected.has_value());
}

TEST_CASE("a code of the wrong form is an error before anything is sent") {
    const Port port;
    struct Wrong : Person {
        Result<std::optional<std::string>> next(const std::function<bool(std::chrono::milliseconds)>&) override {
            return std::optional<std::string>("12345");
        }
    } wrong;
    const auto connected = connect_to(profile_with("factor: totp\n"), port, wrong);
    REQUIRE_FALSE(connected.has_value());
    CHECK(connected.error().message == "a code has 6 digits");
    CHECK(wrong.sent == 0);
}
