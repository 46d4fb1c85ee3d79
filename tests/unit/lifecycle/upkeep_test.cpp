// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/lasting_error.h"
#include "daemon/lifecycle/sleep_watch.h"
#include "daemon/lifecycle/state_copy.h"
#include "daemon/lifecycle/take_over.h"
#include "daemon/lifecycle/teardown.h"
#include "daemon/lifecycle/tick.h"
#include "tests/unit/lifecycle/recorder.h"
#include "tests/unit/recording/log.h"

using namespace xk;
using namespace xk::test;

namespace {

struct Ticked : Upkeep {
    bool over = false;
    std::vector<std::string> steps;
    void add(const char* what) { steps.emplace_back(what); }
    std::ptrdiff_t at(const char* what) const {
        const auto found = std::ranges::find(steps, what);
        REQUIRE_MESSAGE(found != steps.end(), what);
        return found - steps.begin();
    }

    bool is_over(const Now&) override { return over; }
    void notice_sleep(const Now&) override { add("sleep"); }
    void notice_generation(const Now&) override { add("generation"); }
    void retry_reload() override { add("reload"); }
    void end_grants(const Now&) override { add("grants"); }
    void report_changes(const Now&) override { add("tell"); }
    void limit_syn_guard(const Now&) override { add("guard"); }
    void check_sessions(const Now&) override { add("sessions"); }
    void carry_out_panic(const Now&) override { add("panic"); }
    void end_bans(const Now&) override { add("bans"); }
    void supervise_hooks(const Now&) override { add("hooks"); }
    void expire_tags(const Now&) override { add("tags"); }
    void repair_ruleset(const Now&) override { add("repair"); }
    void keep_interfaces_attached(const Now&) override { add("interfaces"); }
    void admit_clients(const Now&) override { add("clients"); }
    void save_state(const Now&) override { add("save"); }
};

struct Ended : TeardownPort {
    bool stays = true;
    Result<void> gone, copy, owners, last_word;
    std::vector<std::string> steps;
    void settle_grants() override { steps.push_back("settle"); }
    void switch_syn_guard_off() override { steps.push_back("guard off"); }
    bool gate_stays() const override { return stays; }
    Result<void> take_away() override { return steps.push_back("take away"), gone; }
    void stop_hooks() override { steps.push_back("hooks"); }
    void end_worker() override { steps.push_back("worker"); }
    Result<void> save_copy() override { return steps.push_back("copy"), copy; }
    Result<void> save_owners() override { return steps.push_back("owners"), owners; }
    Result<void> finish_trial() override { return steps.push_back("trial"), last_word; }
};

struct Slept : RestorePort {
    Result<void> grants, bans;
    std::vector<std::string> steps;
    Result<void> restore_grants(const Now&) override { return steps.push_back("grants"), grants; }
    Result<void> restore_bans(const Now&) override { return steps.push_back("bans"), bans; }
};

using Steps = std::vector<std::string>;

} // namespace

TEST_CASE("a tick does each thing once, before what depends on it") {
    Ticked t;
    CHECK(run_tick(t, kNow));
    CHECK(t.steps.size() == 15);
    CHECK(std::set(t.steps.begin(), t.steps.end()).size() == 15);
    CHECK(t.at("sleep") < t.at("grants")); // they get the time that is left before they are over
    CHECK(t.at("grants") < t.at("tell"));
    CHECK(t.at("tell") < t.at("guard"));
    CHECK(t.at("tell") < t.at("sessions"));
    CHECK(t.at("sessions") < t.at("bans")); // a short ban ends sessions too
    CHECK(t.at("grants") < t.at("repair"));
    CHECK(t.at("bans") < t.at("repair"));
    CHECK(t.at("save") == 14);
}

TEST_CASE("a tick does nothing more when the trial is over") {
    Ticked t;
    t.over = true;
    CHECK_FALSE(run_tick(t, kNow));
    CHECK(t.steps.empty());
}

TEST_CASE("a daemon that ends writes its copy when nothing can be accepted any more") {
    Ended e;
    e.last_word = Error{"over", {}, Exit::trial_over};
    const auto done = tear_down(e, {});
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().exit == Exit::trial_over);
    CHECK(e.steps == Steps{"settle", "guard off", "hooks", "worker", "copy", "owners", "trial"});
}

TEST_CASE("a daemon whose gate goes takes it away before all that takes time") {
    Ended e;
    e.stays = false;
    CHECK(tear_down(e, {}).has_value());
    CHECK(e.steps == Steps{"settle", "guard off", "take away", "hooks", "worker", "copy", "owners", "trial"});
    Ended fails;
    fails.stays = false;
    fails.gone = Error{"the gate stands", {}};
    CHECK(tear_down(fails, {}).error().message == "the gate stands");
}

TEST_CASE("a gate that cannot be taken away hides no other error") {
    for (const bool failed : {false, true}) {
        Ended e;
        e.stays = false;
        e.gone = Error{"the gate stands", {}};
        const CapturedLog log;
        CHECK(tear_down(e, failed ? Result<void>(Error{"the worker ended", {}}) : Result<void>()).error().message ==
              "the gate stands");
        CHECK(log.text() == (failed ? "error the worker ended\n" : ""));
    }
}

TEST_CASE("a daemon that failed leaves no copy that says it is clean") {
    Ended e;
    CHECK(tear_down(e, Error{"the worker ended", {}}).error().message == "the worker ended");
    CHECK(e.steps == Steps{"settle", "guard off"});
    Ended on_trial;
    on_trial.stays = false;
    CHECK_FALSE(tear_down(on_trial, Error{"the worker ended", {}}).has_value());
    CHECK(on_trial.steps == Steps{"settle", "guard off", "take away"});
}

TEST_CASE("what cannot be written at the end keeps nothing else from being written") {
    Ended e;
    e.copy = Error{"the disk is full", {}};
    e.owners = Error{"the disk is full", {}};
    const CapturedLog log;
    CHECK(tear_down(e, {}).has_value());
    CHECK(e.steps.back() == "trial");
    CHECK(log.lines() == 2);
}

TEST_CASE("a machine slept when its clocks say so, and not before there is anything to compare with") {
    SleepWatch watch;
    CHECK_FALSE(watch.has_slept(3600s));
    CHECK_FALSE(watch.has_slept(3600s));
    CHECK_FALSE(watch.has_slept(3601s)); // reading two clocks takes time
    CHECK(watch.has_slept(3603s));
    CHECK_FALSE(watch.has_slept(3603s)); // once
    CHECK(time_asleep() >= -1s);
}

TEST_CASE("after a sleep grants and bans get their time again, whatever fails, and a fault asks for a repair") {
    for (const bool grants : {true, false})
        for (const bool bans : {true, false}) {
            CAPTURE(grants);
            CAPTURE(bans);
            Slept port;
            if (!grants)
                port.grants = Error{"the sets are busy", {}};
            if (!bans)
                port.bans = Error{"the maps are full", {}};
            const CapturedLog log;
            CHECK(restore_after_sleep(port, kNow) == (grants && bans));
            CHECK(port.steps == Steps{"grants", "bans"});
            CHECK(log.has("error after the sleep: the sets are busy\n") == !grants);
            CHECK(log.has("error after the sleep: the maps are full\n") == !bans);
        }
}

TEST_CASE("a copy that could not be written is tried again after ten seconds, without another judgement") {
    int written = 0;
    StateCopy copy([&] { ++written; });
    const auto image = std::make_unique<authz::StateImage>();
    authz::StateHeader* const header = &image->header;
    const auto look = [&](std::chrono::seconds at) { copy.look(*image, kNow.boot + at); };
    header->high_slot = 5;
    look(0s);
    copy.on_write_failed();
    look(9s);
    CHECK(written == 1);
    look(10s);
    CHECK(written == 2);
    look(20s); // that one succeeded
    CHECK(written == 2);
}

TEST_CASE("the copy of the state is written at once for a new slot, and else every ten seconds where it changed") {
    int written = 0;
    StateCopy copy([&] { ++written; });
    const auto image = std::make_unique<authz::StateImage>();
    authz::StateHeader* const header = &image->header;
    const auto look = [&](std::chrono::seconds at) { copy.look(*image, kNow.boot + at); };
    header->high_slot = 5;
    look(0s);
    CHECK(written == 1);
    header->rejects[1] = 1;
    look(9s);
    CHECK(written == 1);
    look(10s);
    CHECK(written == 2);
    look(20s); // nothing was judged
    CHECK(written == 2);
    header->retries = 1;
    header->high_slot = 6;
    look(21s); // a slot does not wait
    CHECK(written == 3);
    header->accepted[1] = 1;
    look(30s); // ten seconds after that one
    CHECK(written == 3);
    look(31s);
    CHECK(written == 4);
}

TEST_CASE("a used HOTP code is written at once, and a TOTP code with the slot") {
    int written = 0;
    StateCopy copy([&] { ++written; });
    const auto image = std::make_unique<authz::StateImage>();
    const auto look = [&](std::chrono::seconds at) { copy.look(*image, kNow.boot + at); };
    image->header.high_slot = 5;
    look(0s);
    CHECK(written == 1);
    image->credentials[0].id = {1};
    image->credentials[1].id = {2};
    image->credentials[0].code_step = 59'833'333;
    image->header.accepted[1] = 1;
    look(1s);
    CHECK(written == 1);
    image->credentials[1].code_step = authz::step_of_counter(1);
    image->header.accepted[1] = 2;
    look(2s);
    CHECK(written == 2);
    look(3s);
    CHECK(written == 2);
    image->credentials[1].code_step = authz::step_of_counter(2);
    image->header.rejects[1] = 1; // refused by the policy
    look(4s);
    CHECK(written == 3);
}

TEST_CASE("knocks of before are refused where this machine may be another one") {
    Recorder world;
    Events events;
    auto carrier = config::Carrier::named;
    TakeOver take_over(
        world, [&] { return carrier; }, events);
    for (const auto good : {config::Carrier::named, config::Carrier::unnamed, config::Carrier::none}) {
        carrier = good;
        REQUIRE(take_over.look_for_copies(kNow).has_value());
    }
    CHECK(world.horizons == 0);
    carrier = config::Carrier::another;
    REQUIRE(take_over.look_for_copies(kNow).has_value());
    CHECK(world.horizons == 1);
    REQUIRE(take_over.on_generation(kNow).has_value());
    REQUIRE(take_over.raise("by the operator", kNow).has_value());
    CHECK(world.horizons == 3);
    CHECK(events.texts(authz::EventKind::taken_over).back() == "by the operator");
    CHECK(events.all.size() == 3);
    world.fails = {world.tried + 1};
    CHECK_FALSE(take_over.on_generation(kNow).has_value()); // the daemon ends with it
    CHECK(events.all.size() == 3);
}

TEST_CASE("an error that lasts is logged when it comes, when it is another one, and when it comes again") {
    const CapturedLog log;
    LastingError error;
    const auto say = [&](const char* message) { error.on_result(Error{message, "do this"}, "sessions"); };
    error.on_result({});
    CHECK(log.text().empty());
    say("the disk is full");
    say("the disk is full");
    CHECK(log.text() == "error sessions: the disk is full\nerror hint: do this\n");
    say("the disk is gone");
    CHECK(log.lines() == 4);
    error.on_result({});
    say("the disk is gone");
    CHECK(log.lines() == 6);
    error.on_result(Error{"busy", {}});
    CHECK(log.text().ends_with("error busy\n"));
}
