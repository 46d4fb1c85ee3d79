// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/trial_control.h"

#include "daemon/lifecycle/last_good.h"
#include "daemon/lifecycle/last_good_keeper.h"
#include "tests/unit/lifecycle/recorder.h"
#include "tests/unit/recording/directory.h"

#include <unistd.h>

#include <filesystem>

using namespace xk;
using namespace xk::test;
using authz::EventKind;

namespace {

config::Config in(const std::string& directory) {
    config::Config config = named("now");
    config.state_directory = directory;
    config.policy.services.emplace_back();
    config.policy.services[0].ports[0] = PortRange::of({IpProtocol::tcp, 22});
    config.policy.services[0].port_count = 1;
    return config;
}

struct Tried {
    const TemporaryDirectory directory;
    Recorder world;
    Events events;
    CurrentConfig current{std::make_shared<config::Config>(in(directory.path()))};
    Trial trial = Trial::read(directory.path(), ::geteuid());
    Panic panic = Panic::read(directory.path(), ::geteuid());
    LastGoodKeeper last_good{world, false};
    TrialControl control = make(false);

    TrialControl make(bool dry_run) {
        return {trial, panic, dry_run, {.config = current, .events = events, .keep_last_good = [this] { keep(); }}};
    }
    void keep() { REQUIRE(last_good.keep(*current, control.gate_stays())); }
    bool is_kept() const { return std::filesystem::exists(last_good_file(directory.path())); }
    Trial on_disk() const { return Trial::read(directory.path(), ::geteuid()); }
};

Now after(std::chrono::seconds time) { return {kNow.wall + time, kNow.boot + time}; }

} // namespace

TEST_CASE("a trial is over at its end while the daemon runs, and says so once") {
    Tried t;
    t.keep();
    REQUIRE(t.is_kept());
    CHECK(t.control.gate_stays());
    REQUIRE(t.control.begin_trial(60s, kNow).has_value());
    CHECK_FALSE(t.is_kept()); // a gate that nobody confirms does not come back with a boot
    CHECK_FALSE(t.control.gate_stays());
    CHECK_FALSE(t.control.is_due(after(59s).boot));
    CHECK(t.control.is_due(after(60s).boot));
    CHECK(t.events.has(EventKind::trial_begun));
    const auto word = t.control.finish(after(60s));
    REQUIRE_FALSE(word.has_value());
    CHECK(word.error().exit == Exit::trial_over);
    CHECK(t.events.texts(EventKind::trial_over) == std::vector<std::string>{"the ports are open"});
    CHECK_FALSE(t.on_disk().is_on());
}

TEST_CASE("a trial whose time ends while the daemon is dead is over for the next one") {
    Tried t;
    REQUIRE(t.control.begin_trial(60s, kNow).has_value());
    CHECK(t.control.finish(after(30s)).has_value()); // stopped: a start goes on with it
    CHECK(t.on_disk().is_on());
    CHECK(t.on_disk().is_over(after(60s).boot));
    CHECK_FALSE(t.events.has(EventKind::trial_over));
}

TEST_CASE("a trial that is confirmed leaves the gate for good") {
    Tried t;
    CHECK_FALSE(t.control.confirm(kNow).has_value()); // there is none
    REQUIRE(t.control.begin_trial(60s, kNow).has_value());
    REQUIRE(t.control.confirm(after(1s)).has_value());
    CHECK(t.control.gate_stays());
    CHECK_FALSE(t.control.is_due(after(3600s).boot));
    CHECK(t.is_kept());
    CHECK_FALSE(t.on_disk().is_on());
    CHECK(t.events.has(EventKind::trial_confirmed));
    CHECK(t.control.finish(after(3600s)).has_value());
}

TEST_CASE("a panic outlasts a trial, and there is none within one") {
    Tried t;
    REQUIRE(t.control.begin_trial(60s, kNow).has_value());
    REQUIRE(t.panic.begin_panic({}, kNow.wall).has_value());
    CHECK(t.control.gate_stays());
    CHECK_FALSE(t.control.is_due(after(3600s).boot)); // the ports must not open
    t.keep();
    CHECK(t.is_kept());
    CHECK(t.control.finish(after(3600s)).has_value());
    CHECK(t.on_disk().is_on());
    CHECK_FALSE(t.control.begin_trial(60s, kNow).has_value());
    REQUIRE(t.panic.end().has_value());
    CHECK(t.control.is_due(after(60s).boot));
}

TEST_CASE("a trial whose file cannot be written does not begin, and the gate stays") {
    Tried t;
    t.keep();
    std::filesystem::create_directory(Trial::file_in(t.directory.path())); // no file can take its place
    CHECK_FALSE(t.control.begin_trial(60s, kNow).has_value());
    CHECK(t.control.gate_stays());
    CHECK(t.is_kept());
}

TEST_CASE("a trial does not begin where the last good ruleset cannot be forgotten") {
    Tried t;
    std::filesystem::create_directories(last_good_file(t.directory.path()) + "/no file");
    std::size_t kept = 0;
    TrialControl control(t.trial, t.panic, false,
                         {.config = t.current, .events = t.events, .keep_last_good = [&] { ++kept; }});
    CHECK_FALSE(control.begin_trial(60s, kNow).has_value());
    CHECK(control.gate_stays());
    CHECK(kept == 1); // half of it may be forgotten
    CHECK_FALSE(t.on_disk().is_on());
}

TEST_CASE("a dry run has nothing that could be on trial, and leaves nothing") {
    Tried t;
    const TrialControl dry = t.make(true);
    CHECK_FALSE(dry.gate_stays());
    CHECK_FALSE(TrialControl(dry).begin_trial(60s, kNow).has_value());
    CHECK_FALSE(t.on_disk().is_on());
}

TEST_CASE("the last good ruleset is kept where the gate stays, and forgotten elsewhere") {
    Tried t;
    config::Config config = in(t.directory.path());
    REQUIRE(t.last_good.keep(config, true));
    const auto kept = read_last_good(t.directory.path());
    REQUIRE(kept.has_value());
    REQUIRE(kept->has_value());
    CHECK((*kept)->protected_ports.size() == 1);
    REQUIRE(t.last_good.keep(config, false));
    CHECK_FALSE(t.is_kept());
    REQUIRE(t.last_good.keep(config, true));
    config.shut_on_failure = false;
    REQUIRE(t.last_good.keep(config, true));
    CHECK_FALSE(t.is_kept());
    config.shut_on_failure = true;
    REQUIRE(t.last_good.keep(config, true));
    config.gate_mode = config::GateMode::external;
    REQUIRE(t.last_good.keep(config, true));
    CHECK_FALSE(t.is_kept());
    CHECK_FALSE(t.world.did("remove ruleset")); // nobody put it up
    // One that this start put up goes, once.
    LastGoodKeeper stands(t.world, true);
    REQUIRE(stands.keep(config, true));
    REQUIRE(stands.keep(config, true));
    CHECK(std::ranges::count(t.world.steps, "remove ruleset") == 1);
}

TEST_CASE(
    "a last good ruleset that cannot be removed is tried again, and one that counts is left to its configuration") {
    Tried t;
    config::Config config = in(t.directory.path());
    LastGoodKeeper keeper(t.world, true);
    REQUIRE(keeper.keep(config, true));
    CHECK_FALSE(t.world.did("remove ruleset"));
    config.gate_mode = config::GateMode::external;
    t.world.removal_fails = true;
    CHECK(keeper.keep(config, true).error().message == "the last good ruleset still shuts ports: the kernel is busy");
    t.world.removal_fails = false;
    REQUIRE(keeper.keep(config, true));
    REQUIRE(keeper.keep(config, true));
    CHECK(std::ranges::count(t.world.steps, "remove ruleset") == 2);
}

TEST_CASE("a last good ruleset that cannot be written is an error, and what stands is taken away all the same") {
    Tried t;
    config::Config config = in(t.directory.path() + "/gone");
    LastGoodKeeper keeper(t.world, true);
    CHECK(keeper.keep(config, true)
              .error()
              .message.starts_with("after a boot a start that fails puts up another ruleset than this one: "));
    std::filesystem::create_directory(config.state_directory);
    REQUIRE(keeper.keep(config, true));
    std::filesystem::remove(last_good_file(config.state_directory));
    std::filesystem::create_directory(last_good_file(config.state_directory)); // it cannot be removed as a file
    config.gate_mode = config::GateMode::external;
    CHECK(keeper.keep(config, true).error().message.starts_with("after a boot"));
    CHECK(t.world.did("remove ruleset"));
}
