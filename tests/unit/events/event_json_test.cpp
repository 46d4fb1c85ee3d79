// SPDX-License-Identifier: MIT
#include "daemon/events/event_json.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <random>

using namespace xk;
using namespace xk::authz;
using events::event_of;
using events::json_of;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

Event everything() {
    Event e;
    e.kind = EventKind::knock_refused;
    e.at = {WallTime(1'795'000'000'123'456us), BootTime(987'654'321ns)};
    e.user = "anna";
    e.device = "laptop";
    e.service = "ssh, web";
    e.source = Address::v4(192, 0, 2, 1);
    e.address = Address::parse("2001:db8::1").value();
    e.pinholes = "tcp/22, udp/51820 of 198.51.100.7";
    e.reject = Reject::wrong_code;
    e.cause = EndCause::by_others;
    e.lifetime = 90s;
    e.count = UINT64_MAX;
    e.detail = "a \"quote\" and a \\";
    e.by = Operator{UINT32_MAX, 4711, 1000, "root", "anna"};
    e.prefix = Prefix::parse("198.51.100.64/26").value();
    e.verb = "close";
    e.failure = "no";
    e.more = "gone";
    e.sessions = 3;
    e.bans = 0;
    e.for_good = e.all = e.others_remain = e.again = e.retry = true;
    e.action = Action::close_all;
    e.clock_ahead = -31s;
    e.totp_step = 0;
    e.way = KnockMode::c_lock;
    e.last_use = WallTime(5us);
    return e;
}

} // namespace

TEST_CASE("the names of the fields stay") {
    CHECK(json_of(everything()) == json::parse(R"({
        "kind": "knock_refused", "time": "2026-11-18T11:06:40Z", "time_us": 1795000000123456, "boot_ns": 987654321,
        "user": "anna", "device": "laptop", "service": "ssh, web", "source": "192.0.2.1", "address": "2001:db8::1",
        "grants": "tcp/22, udp/51820 of 198.51.100.7", "reason": "wrong-code", "cause": "by_others", "seconds": 90,
        "count": 18446744073709551615, "detail": "a \"quote\" and a \\",
        "by": {"uid": 4294967295, "pid": 4711, "login_uid": 1000, "name": "root", "login_name": "anna"},
        "prefix": "198.51.100.64/26", "verb": "close", "failure": "no", "more": "gone", "sessions": 3, "bans": 0,
        "for_good": true, "all": true,
        "others_remain": true, "again": true, "retry": true, "action": "close-all", "clock_ahead_s": -31,
        "totp_step": 0, "way": "c-lock", "last_use_us": 5})"));
}

TEST_CASE("what an event has nothing to say of is not there") {
    Event e;
    e.kind = EventKind::clock_right;
    CHECK(json_of(e) == json::parse(R"({"kind": "clock_right", "time": "1970-01-01T00:00:00Z", "time_us": 0,
        "boot_ns": 0})"));
}

TEST_CASE("an event that was written is read as the same one") {
    CHECK(json_of(event_of(json_of(everything())).value()) == json_of(everything()));
    std::mt19937_64 random(1);
    const auto number = [&](std::uint64_t below) { return random() % below; };
    for (int i = 0; i < 2000; ++i) {
        Event e;
        e.kind = static_cast<EventKind>(number(kEventKinds));
        e.cause = static_cast<EndCause>(number(kEndCauses));
        e.at = {WallTime(std::chrono::microseconds(number(1ull << 52))),
                BootTime(std::chrono::nanoseconds(number(1ull << 62)))};
        e.user = std::string(number(40), 'a');
        if (number(2) == 0)
            e.reject = static_cast<Reject>(number(kRejects));
        if (number(2) == 0)
            e.source = Address::v4(static_cast<std::uint8_t>(random()), 0, 2, static_cast<std::uint8_t>(random()));
        if (number(2) == 0) {
            e.address.emplace();
            for (auto& byte : e.address->bytes)
                byte = static_cast<std::uint8_t>(random());
        }
        if (number(2) == 0)
            e.prefix =
                Prefix::around(Address::parse("2001:db8:ffff:ffff:ffff::").value(), static_cast<unsigned>(number(129)));
        if (number(2) == 0)
            e.by = Operator{static_cast<uid_t>(random()), static_cast<pid_t>(number(1 << 22)),
                            number(2) == 0 ? std::nullopt : std::optional(static_cast<uid_t>(random()))};
        e.count = number(2) == 0 ? 0 : random();
        if (number(2) == 0)
            e.totp_step = random();
        if (number(2) == 0)
            e.bans = random();
        if (number(2) == 0)
            e.clock_ahead = std::chrono::seconds(static_cast<std::int64_t>(number(1 << 30)) - (1 << 29));
        e.lifetime = std::chrono::seconds(number(1 << 30));
        e.retry = number(2) == 0;
        e.all = number(2) == 0;
        const json written = json_of(e);
        const auto read = event_of(json::parse(written.dump()));
        REQUIRE(read);
        REQUIRE(json_of(*read) == written);
    }
}

TEST_CASE("what is no event is refused, and nothing is guessed") {
    CHECK(event_of(json::parse(R"({"kind": "banned"})")));
    CHECK(event_of(json::parse(R"({"kind": "banned", "a field of a later release": [1]})")));
    for (const char* wrong : {"[]",
                              "5",
                              "null",
                              "{}",
                              R"({"kind": 5})",
                              R"({"kind": "dance"})",
                              R"({"kind": "banned", "user": 5})",
                              R"({"kind": "banned", "reason": "no such reason"})",
                              R"({"kind": "banned", "cause": "none at all"})",
                              R"({"kind": "banned", "action": "dance"})",
                              R"({"kind": "banned", "source": "192.0.2.256"})",
                              R"({"kind": "banned", "source": 5})",
                              R"({"kind": "banned", "prefix": "192.0.2.1/24"})",
                              R"({"kind": "banned", "count": -1})",
                              R"({"kind": "banned", "count": 1.5})",
                              R"({"kind": "banned", "count": "1"})",
                              R"({"kind": "banned", "seconds": 9223372036854775807})",
                              R"({"kind": "banned", "time_us": 18446744073709551615})",
                              R"({"kind": "banned", "by": {"uid": 1}})",
                              R"({"kind": "banned", "by": {"uid": 4294967296, "pid": 1}})",
                              R"({"kind": "banned", "by": {"uid": -1, "pid": 1}})",
                              R"({"kind": "banned", "by": 0})",
                              R"({"kind": "banned", "all": 1})",
                              R"({"kind": "banned", "bans": null})"})
        CHECK_MESSAGE(!event_of(json::parse(wrong)), wrong);
}

TEST_CASE("a text that is read is bounded too") {
    json long_one = {{"kind", "repaired"}, {"detail", std::string(100'000, 'x')}, {"user", "a\nb"}};
    const Event event = event_of(long_one).value();
    CHECK(event.detail.size() == kMaxEventText);
    CHECK(event.user == "a\\x0ab");
}
