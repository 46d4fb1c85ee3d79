// SPDX-License-Identifier: MIT
//
// What is asked of xknock-hooks, with this test at the other end of its channel.
#include "daemon/events/hook_calls.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace std::chrono_literals;
using authz::EventKind;

namespace {

config::Config with_hooks(const std::vector<std::string>& on_open) {
    config::Config config;
    for (const char* name : {"ssh", "web"}) {
        authz::Service service;
        service.name = authz::Name(name);
        config.policy.services.push_back(service);
        config.hooks.services.emplace_back();
    }
    config.hooks.services[0].on_open = on_open;
    config.hooks.services[0].on_close = {"/bin/after"};
    config.hooks.time_limit = 20s;
    return config;
}

authz::Event grant(EventKind kind, const std::string& service = "ssh") {
    authz::Event event;
    event.kind = kind;
    event.user = "anna";
    event.device = "laptop";
    event.service = service;
    event.address = Address::v4(192, 0, 2, 2);
    event.lifetime = 30s;
    return event;
}

struct Fixture {
    std::pair<privsep::Channel, privsep::Channel> ends = privsep::Channel::pair().value();
    HookCalls calls{privsep::Child{-1, std::move(ends.first)}, with_hooks({"/bin/notify", "an argument"})};

    std::optional<hooks::Run> next() {
        const auto received = ends.second.receive(false).value();
        return received ? privsep::as<hooks::Run>(*received) : std::nullopt;
    }
};

} // namespace

TEST_CASE("a grant that begins or ends is a hook, with who, from where, for what and how long") {
    Fixture f;
    f.calls.on_event(grant(EventKind::grant_begun));
    auto run = f.next();
    REQUIRE(run);
    CHECK(run->event == hooks::Event::open);
    CHECK(run->lifetime == 30);
    CHECK(run->time_limit == 20);
    CHECK(run->subject.user.view() == "anna");
    CHECK(run->subject.device.view() == "laptop");
    CHECK(run->subject.service.view() == "ssh");
    CHECK(run->subject.source == Address::v4(192, 0, 2, 2));
    CHECK(run->arguments == 2);
    CHECK(std::string(run->text) == "/bin/notify");
    CHECK(std::string(run->text + 12) == "an argument");
    f.calls.on_event(grant(EventKind::grant_ended));
    run = f.next();
    REQUIRE(run);
    CHECK(run->event == hooks::Event::close);
    CHECK(run->lifetime == 0);
    CHECK(std::string(run->text) == "/bin/after");
}

TEST_CASE("nothing else is a hook, and a service without one has none") {
    Fixture f;
    for (std::size_t i = 0; i < authz::kEventKinds; ++i)
        if (const auto kind = static_cast<EventKind>(i);
            kind != EventKind::grant_begun && kind != EventKind::grant_ended)
            f.calls.on_event(grant(kind));
    f.calls.on_event(grant(EventKind::grant_begun, "web"));
    f.calls.on_event(grant(EventKind::grant_begun, "a service that is gone"));
    f.calls.on_event(grant(EventKind::grant_begun, ""));
    CHECK_FALSE(f.next());
}

TEST_CASE("a configuration that is gone leaves its hooks behind, until another one counts") {
    Fixture f; // its configuration ended with the constructor
    f.calls.on_event(grant(EventKind::grant_begun));
    REQUIRE(f.next());
    f.calls.reconfigure(with_hooks({"/bin/other"}));
    f.calls.on_event(grant(EventKind::grant_begun));
    const auto run = f.next();
    REQUIRE(run);
    CHECK(std::string(run->text) == "/bin/other");
    f.calls.reconfigure(with_hooks({}));
    f.calls.on_event(grant(EventKind::grant_begun));
    CHECK_FALSE(f.next());
}

TEST_CASE("what xknock-hooks does not read is dropped and counted, and nobody waits") {
    Fixture f;
    constexpr std::uint64_t kMany = 5000;
    for (std::uint64_t i = 0; i < kMany; ++i)
        f.calls.on_event(grant(EventKind::grant_begun));
    std::uint64_t read = 0;
    while (f.next())
        ++read;
    CHECK(read > 0);
    CHECK(f.calls.counts().dropped == kMany - read);
}

TEST_CASE("without a process there are no hooks") {
    HookCalls calls(std::nullopt, with_hooks({"/bin/notify"}));
    calls.on_event(grant(EventKind::grant_begun));
    CHECK(calls.counts().dropped == 0);
    CHECK(calls.fd() == -1);
}
