// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/start.h"

#include "tests/unit/lifecycle/recorder.h"
#include "tests/unit/recording/log.h"

using namespace xk;
using namespace xk::test;

namespace {

struct Started {
    Recorder world;
    bool in_panic = false, taken_away = false;
    Result<void> gone;
    std::shared_ptr<config::Config> config = std::make_shared<config::Config>(named("new"));
    bool ruleset_was_there = false;

    Result<void> run(Start::Before before, bool stays = true) {
        Start start({.worker = world,
                     .filter = world,
                     .interfaces = world,
                     .guard = world,
                     .ruleset = world,
                     .adoption = world},
                    {.prepare_requests = [this] { return world.step("prepare requests"); },
                     .continue_panic = [this] { return world.step("continue panic"); },
                     .is_in_panic = [this] { return in_panic; },
                     .look_for_copies = [this] { return world.step("look for copies"); },
                     .drop_capabilities = [this] { return world.step("drop capabilities"); },
                     .open_loop = [this] { return world.step("open loop"); },
                     .take_gate_away = stays ? std::function<Result<void>()>() : [this] {
                         taken_away = true;
                         return gone;
                     }},
                    before);
        auto done = start.start_daemon(config, kNow);
        ruleset_was_there = start.ruleset_was_there();
        return done;
    }
};

constexpr std::size_t kSteps = 18; // that can fail

} // namespace

TEST_CASE("a start that fails at any step takes away what it brought") {
    std::size_t step = 1;
    for (;; ++step) {
        CAPTURE(step);
        Started s;
        s.world.fails = {step};
        if (s.run({}))
            break;
        CHECK(s.world.state.ruleset.empty()); // the ports are as before
        CHECK_FALSE(s.world.state.pins);
        CHECK(s.world.state.guard.empty());
    }
    CHECK(step > kSteps);
}

TEST_CASE("a start that fails leaves the ports shut where they were") {
    for (const bool last_good : {false, true})
        for (std::size_t step = 1;; ++step) {
            CAPTURE(step);
            Started s;
            s.world.state.ruleset = "before";
            s.world.fails = {step};
            const bool done = s.run({.filter = true, .last_good = last_good}).has_value();
            CHECK_FALSE(s.world.state.ruleset.empty());
            CHECK(s.world.state.pins);
            CHECK(s.ruleset_was_there == (!last_good && step > 1)); // the first step looks for it
            if (done)
                break;
            CHECK(s.world.state.guard.empty());
        }
}

TEST_CASE("on trial a start that fails at any step takes the whole gate away") {
    for (std::size_t step = 1;; ++step) {
        CAPTURE(step);
        Started s;
        s.world.state.ruleset = "before";
        s.world.fails = {step};
        const bool done = s.run({.filter = true}, false).has_value();
        CHECK(s.taken_away == !done);
        if (done)
            break;
    }
}

TEST_CASE("a start in mode external has no table to take away") {
    Started s;
    s.config->gate_mode = config::GateMode::external;
    s.world.fails = {kSteps};
    REQUIRE_FALSE(s.run({}).has_value());
    CHECK_FALSE(s.world.did("remove ruleset"));
}

TEST_CASE("a dry run that fails takes no pins away that are not its own") {
    Started s;
    s.world.fails = {kSteps};
    REQUIRE_FALSE(s.run({.changes_net = false}).has_value());
    CHECK(s.world.state.pins);
}

TEST_CASE("nobody is judged before everything stands that shuts the ports") {
    Started s;
    s.in_panic = true;
    REQUIRE(s.run({}).has_value());
    Recorder& w = s.world;
    CHECK(w.at("prepare requests") < w.at("hand over"));
    CHECK(w.at("revoke copy") < w.at("hand over")); // a crash from here on leaves no copy that says it is clean
    CHECK(w.at("hand over") < w.at("adopt tables"));
    CHECK(w.at("adopt tables") < w.at("ruleset")); // which keeps the elements of those that are known
    CHECK(w.at("begin guard") < w.at("ruleset"));
    CHECK(w.at("commit") < w.at("write maps")); // the places of disabled credentials are of what counts
    CHECK(w.at("write maps") < w.at("attach"));
    CHECK(w.at("ruleset") < w.at("adopt sessions"));
    CHECK(w.at("adopt sessions") < w.at("continue panic"));
    for (const char* before : {"continue panic", "bans", "set panic", "look for copies", "ruleset"})
        CHECK_MESSAGE(w.at(before) < w.at("activate"), before);
    CHECK(w.at("tags") < w.at("attach")); // the first packet finds them
    CHECK(w.at("attach") < w.at("guard on"));
    CHECK(w.at("attach") < w.at("drop capabilities"));
    CHECK(w.at("drop capabilities") < w.at("open loop")); // which begins a thread, and a thread keeps what there is
    CHECK(w.at("guard on") < w.at("open loop"));
    CHECK(w.panic);
}

TEST_CASE("sessions of before have had grants where a ruleset stood that had come to count") {
    Started s;
    s.world.state.ruleset = "before";
    REQUIRE(s.run({}).has_value());
    CHECK(s.world.did("adopt sessions with grants"));
    Started after_boot;
    after_boot.world.state.ruleset = "last good";
    REQUIRE(after_boot.run({.last_good = true}).has_value());
    CHECK(after_boot.world.did("adopt sessions"));
}

TEST_CASE("a failed start says in the log what of it stands") {
    for (const bool on_trial : {false, true}) {
        CAPTURE(on_trial);
        const CapturedLog log;
        Started s;
        s.world.fails = {kSteps};
        s.world.removal_fails = true;
        s.gone = Error{"netlink does not answer", {}};
        REQUIRE_FALSE(s.run({}, !on_trial).has_value());
        CHECK(log.has("error the ruleset of the failed start stands: the kernel is busy"));
        CHECK(log.has("error the gate of the failed start stands: netlink does not answer") == on_trial);
    }
}
