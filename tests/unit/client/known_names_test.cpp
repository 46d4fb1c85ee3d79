// SPDX-License-Identifier: MIT
#include "client/known_names.h"

#include "protocol/base/fd.h"

#include <doctest/doctest.h>

#include <sys/eventfd.h>

#include <atomic>
#include <memory>
#include <thread>

using namespace xk;
using namespace xk::client;
using namespace std::chrono_literals;

namespace {

const Place kAnswer = Address::v4(192, 0, 2, 1);

// What a name server does. It is shared, because the thread of a question that nobody waits for still has it.
struct NameServer {
    std::atomic<bool> is_gone{false}, is_silent{false};
    std::atomic<int> asked{0};
};

LookUp look_up_at(const std::shared_ptr<NameServer>& server) {
    return [server](const std::string&, Family) -> Result<std::vector<Place>> {
        ++server->asked;
        while (server->is_silent)
            std::this_thread::sleep_for(1ms);
        if (server->is_gone)
            return Error{"no answer", {}};
        return std::vector<Place>{kAnswer};
    };
}

struct Stop {
    Fd fd{::eventfd(0, EFD_CLOEXEC)};
    void say() const {
        const std::uint64_t one = 1;
        REQUIRE(::write(fd.get(), &one, sizeof one) == sizeof one);
    }
};

} // namespace

TEST_CASE("a look-up that does not end is left when somebody says stop") {
    const auto server = std::make_shared<NameServer>();
    server->is_silent = true;
    const Stop stop;
    KnownNames names(stop.fd.get(), look_up_at(server));
    std::thread later([&] {
        while (server->asked == 0)
            std::this_thread::sleep_for(1ms);
        stop.say();
    });
    const auto found = names.find("server", Family::any);
    later.join();
    server->is_silent = false; // lets the thread go
    REQUIRE_FALSE(found.has_value());
    CHECK(found.error().message.find("told to stop") != std::string::npos);
}

TEST_CASE("a name server that is gone changes nothing: the last answer is used") {
    const auto server = std::make_shared<NameServer>();
    const Stop stop;
    KnownNames names(stop.fd.get(), look_up_at(server));
    REQUIRE(names.find("server", Family::any).has_value());
    server->is_gone = true;
    const auto again = names.find("server", Family::any);
    REQUIRE(again.has_value());
    CHECK(again->front() == kAnswer);
    CHECK(server->asked == 2);
    CHECK_FALSE(names.find("another", Family::any).has_value());
    CHECK_FALSE(names.find("server", Family::ipv6).has_value());
}

TEST_CASE("after the stop the last answer is used and nobody is asked") {
    const auto server = std::make_shared<NameServer>();
    const Stop stop;
    KnownNames names(stop.fd.get(), look_up_at(server));
    REQUIRE(names.find("server", Family::any).has_value());
    stop.say();
    server->is_silent = true;
    CHECK(names.find("server", Family::any).has_value());
    CHECK(server->asked == 1);
}
