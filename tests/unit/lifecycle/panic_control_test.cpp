// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/panic_control.h"

#include "tests/unit/lifecycle/recorder.h"
#include "tests/unit/recording/directory.h"
#include "tests/unit/recording/log.h"

#include <unistd.h>

using namespace xk;
using namespace xk::test;
using authz::EventKind;

namespace {

const TcpSession kCaller{Address::v4(192, 0, 2, 9), 40000, Address::v4(192, 0, 2, 1), 22};

struct Panicking {
    const TemporaryDirectory directory;
    Recorder world;
    Events events;
    CurrentConfig current{std::make_shared<config::Config>(named("now"))};
    Panic panic = Panic::read(directory.path(), ::geteuid());
    std::size_t changes = 0, repairs = 0;

    PanicControl control(bool dry_run = false) {
        return {panic,
                {.worker = world,
                 .ruleset = world,
                 .closing = world,
                 .config = current,
                 .events = events,
                 .on_change = [this] { ++changes; },
                 .want_repair = [this] { ++repairs; },
                 .dry_run = dry_run}};
    }
    Panic on_disk() const { return Panic::read(directory.path(), ::geteuid()); }
};

} // namespace

TEST_CASE("a panic closes everything, spares its caller and is on the disk before anything closes") {
    Panicking p;
    const auto report = p.control().begin_panic(kCaller, kNow);
    REQUIRE(report.has_value());
    CHECK(report->grants == 3);
    CHECK(report->sessions == 2);
    CHECK(report->outlives_us);
    CHECK(p.world.steps == std::vector<std::string>{"set panic", "close grants", "ruleset", "end sessions but one"});
    CHECK(p.world.panic);
    CHECK(p.on_disk().is_finished());
    CHECK(p.changes == 1);
    REQUIRE(p.events.has(EventKind::panic_begun));
    CHECK(p.events.all.front().detail == kCaller.remote.text() + " port " + std::to_string(kCaller.remote_port));
    CHECK(p.events.all.front().count == 3);
}

TEST_CASE("a panic that is killed at any step goes on with the next daemon") {
    for (std::size_t step = 2; step <= 4; ++step) {
        CAPTURE(step);
        Panicking p;
        p.world.fails = {step};
        REQUIRE_FALSE(p.control().begin_panic({}, kNow).has_value());
        CHECK(p.on_disk().is_on());
        CHECK_FALSE(p.on_disk().is_finished());
        // The next daemon.
        p.panic = p.on_disk();
        p.world.fails.clear();
        p.world.steps.clear();
        REQUIRE(p.control().go_on(kNow).has_value());
        CHECK(p.world.steps == std::vector<std::string>{"close grants", "ruleset", "end sessions"});
        CHECK(p.on_disk().is_finished());
    }
}

TEST_CASE("a panic does all that it can, whatever fails, and the rest on a tick") {
    Panicking p;
    p.world.fails = {2}; // the grants
    auto control = p.control();
    REQUIRE_FALSE(control.begin_panic({}, kNow).has_value());
    CHECK(p.world.sessions == 0);
    CHECK(p.world.state.ruleset == "now");
    CHECK(p.world.grants == 3);
    {
        const CapturedLog log;
        p.world.fails = {5, 8}; // the grants again, and once more
        control.on_tick(kNow);
        control.on_tick(kNow);
        CHECK(log.text() == "error the panic is not carried out yet: close grants failed\n"); // once
    }
    control.on_tick(kNow);
    CHECK(p.world.grants == 0);
    CHECK(p.panic.is_finished());
    const std::size_t steps = p.world.steps.size();
    control.on_tick(kNow);
    CHECK(p.world.steps.size() == steps); // that was all
}

TEST_CASE("a worker that does not answer keeps nothing open in a panic") {
    Panicking p;
    p.world.fails = {1};
    REQUIRE_FALSE(p.control().begin_panic({}, kNow).has_value());
    CHECK(p.world.grants == 0);
    CHECK(p.world.sessions == 0);
    CHECK(p.world.state.ruleset == "now");
}

TEST_CASE("rules of a panic that stay after its end are repaired on a tick") {
    for (std::size_t failing = 1; failing <= 2; ++failing) { // the worker, and the ruleset
        CAPTURE(failing);
        Panicking p;
        auto control = p.control();
        REQUIRE(control.begin_panic({}, kNow).has_value());
        p.world.fails = {p.world.tried + failing};
        p.world.steps.clear();
        REQUIRE_FALSE(control.end(kNow).has_value());
        CHECK(p.world.did("ruleset"));
        CHECK(p.repairs == failing - 1);
        CHECK_FALSE(p.on_disk().is_on());
    }
}

TEST_CASE("a panic that was carried out leaves what the operator opened since then") {
    Panicking p;
    REQUIRE(p.control().begin_panic({}, kNow).has_value());
    p.panic = p.on_disk();
    p.world.steps.clear();
    REQUIRE(p.control().go_on(kNow).has_value());
    CHECK(p.world.steps == std::vector<std::string>{"close users"});
    // A start has nothing to do where there is none.
    Panicking none;
    REQUIRE(none.control().go_on(kNow).has_value());
    none.control().on_tick(kNow);
    CHECK(none.world.steps.empty());
}

TEST_CASE("a panic that is over lets knocks in again, and the sessions live on as their services say") {
    Panicking p;
    auto control = p.control();
    REQUIRE(control.begin_panic({}, kNow).has_value());
    p.world.steps.clear();
    const auto over = control.end(kNow);
    REQUIRE(over.has_value());
    CHECK(*over);
    CHECK(p.world.steps == std::vector<std::string>{"set panic", "ruleset"});
    CHECK_FALSE(p.world.panic);
    CHECK_FALSE(p.on_disk().is_on());
    CHECK(p.changes == 2);
    CHECK(p.events.has(EventKind::panic_over));
    const auto again = control.end(kNow);
    REQUIRE(again.has_value());
    CHECK_FALSE(*again);
}

TEST_CASE("a panic counts also where its file cannot be written") {
    Panicking p;
    p.panic = Panic::none(p.directory.path() + "/gone");
    const auto report = p.control().begin_panic({}, kNow);
    REQUIRE(report.has_value());
    CHECK_FALSE(report->outlives_us);
    CHECK(p.world.panic);
    CHECK(p.world.grants == 0);
}

TEST_CASE("a dry run has nothing to close") {
    Panicking p;
    CHECK_FALSE(p.control(true).begin_panic({}, kNow).has_value());
    CHECK(p.world.steps.empty());
    CHECK_FALSE(p.panic.is_on());
}
