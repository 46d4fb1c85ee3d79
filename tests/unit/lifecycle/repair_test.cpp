// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/repair.h"

#include "tests/unit/lifecycle/recorder.h"
#include "tests/unit/recording/log.h"

#include <deque>

using namespace xk;
using namespace xk::test;

namespace {

struct Table : ContentsPort {
    std::vector<std::string> steps;
    std::set<std::string> broken; // steps that fail

    Result<void> step(const std::string& what) {
        steps.push_back(what);
        return broken.contains(what) ? Result<void>(Error{what, {}}) : Result<void>();
    }
    Result<void> forget_missing() override { return step("forget missing"); }
    Result<void> forget_used() override { return step("forget used"); }
    Result<void> install_whole(const config::Config&, const Now&) override { return step("install"); }
    Result<void> expel_strangers() override { return step("expel"); }
    std::size_t count_grants() const override { return 2; }
    std::size_t count_bans() const override { return 1; }
};

struct Repaired {
    Table table;
    Events events;
    CurrentConfig current;
    std::deque<nft::Change> told;
    bool deaf = false; // no notification can be read
    Repair repair{table, current, events, [this]() -> Result<std::optional<nft::Change>> {
                      if (deaf)
                          return Error{"deaf", {}};
                      if (told.empty())
                          return std::optional<nft::Change>();
                      const nft::Change next = told.front();
                      told.pop_front();
                      return std::optional(next);
                  }};

    explicit Repaired(config::GateMode mode = config::GateMode::table)
        : current(std::make_shared<config::Config>(of(mode))) {}
    static config::Config of(config::GateMode mode) {
        config::Config config = named("now");
        config.gate_mode = mode;
        return config;
    }
    void notice(const nft::Change& change) {
        table.steps.clear();
        told.push_back(change);
        REQUIRE(repair.on_notice(kNow).has_value());
    }
    std::vector<std::string> repaired() const { return events.texts(authz::EventKind::repaired); }
};

using Steps = std::vector<std::string>;
const Steps kWhole{"forget used", "install", "expel"};
const nft::Change kObjects{true, false, false, "nft (pid 7)"};
const nft::Change kElements{false, true, false, "nft (pid 7)"};
const nft::Change kLost{false, false, true, ""};

} // namespace

TEST_CASE("a table that somebody changed is made anew at once, and the event names the culprit") {
    Repaired r;
    r.notice(kObjects);
    CHECK(r.table.steps == kWhole);
    CHECK(r.repaired() == Steps{"nft (pid 7)"});
    r.notice({true, true, false, ""});
    CHECK(r.table.steps == kWhole); // sets that are gone closed no grant
    CHECK(r.repaired().back() == "somebody");
    const authz::Event& event = r.events.all.back();
    CHECK(event.more == "xknock");
    CHECK(event.count == r.table.count_grants());
    CHECK(event.bans == r.table.count_bans());
}

TEST_CASE("elements that somebody took away are grants that they closed") {
    Repaired r;
    r.notice(kElements);
    CHECK(r.table.steps == Steps{"forget missing", "forget used", "install", "expel"});
    // Of the administrator's own sets that is all.
    Repaired external(config::GateMode::external);
    external.notice(kElements);
    CHECK(external.table.steps == Steps{"forget missing"});
    CHECK(external.repaired().empty());
    external.notice(kObjects);
    CHECK(external.table.steps == kWhole);
    CHECK(external.repaired().size() == 1);
}

TEST_CASE("changes that were lost are repaired on the tick, once, and without a word") {
    Repaired r;
    r.notice(kLost);
    CHECK(r.table.steps.empty());
    REQUIRE(r.repair.on_tick(kNow));
    CHECK(r.table.steps == kWhole);
    CHECK(r.repaired().empty()); // it may have been our own
    r.table.steps.clear();
    REQUIRE(r.repair.on_tick(kNow));
    CHECK(r.table.steps.empty());
}

TEST_CASE("what somebody changes while lost changes are repaired is repaired too") {
    Repaired r;
    r.notice(kLost);
    r.told.push_back(kObjects);
    REQUIRE(r.repair.on_tick(kNow));
    CHECK(r.table.steps.size() == 2 * kWhole.size());
    CHECK(r.repaired().size() == 1);
}

TEST_CASE("a repair that fails at any step is tried again on each tick until it is done") {
    for (const char* step : {"forget missing", "install", "expel"}) {
        CAPTURE(step);
        Repaired r;
        r.table.broken = {step};
        r.notice(kElements);
        CHECK(r.repaired().empty());
        r.table.broken = {"install"};
        REQUIRE(r.repair.on_tick(kNow));
        CHECK(r.repaired().empty());
        r.table.broken.clear();
        r.table.steps.clear();
        REQUIRE(r.repair.on_tick(kNow));
        CHECK(r.table.steps == kWhole); // all of it
        CHECK(r.repaired().size() == 1);
        r.table.steps.clear();
        REQUIRE(r.repair.on_tick(kNow));
        CHECK(r.table.steps.empty());
    }
}

TEST_CASE("the ruleset stands whatever connection tracking says") {
    Repaired r;
    r.table.broken = {"forget used"};
    r.notice(kObjects);
    CHECK(r.table.steps == kWhole);
    CHECK(r.repaired().size() == 1);
}

TEST_CASE("a repair that a reload asks for is done on the tick") {
    Repaired r;
    r.repair.want();
    REQUIRE(r.repair.on_tick(kNow));
    CHECK(r.table.steps == kWhole);
}

TEST_CASE("nothing is repaired where nothing was changed") {
    Repaired r;
    REQUIRE(r.repair.on_notice(kNow).has_value());
    CHECK(r.table.steps.empty());
}

TEST_CASE("notifications that cannot be read are an error, on a notice and after a repair") {
    Repaired r;
    r.deaf = true;
    CHECK(r.repair.on_notice(kNow).error().message == "deaf");
    CHECK(r.repair.on_tick(kNow)); // there was nothing to repair
    r.repair.want();
    CHECK(r.repair.on_tick(kNow).error().message == "deaf");
    CHECK(r.table.steps == kWhole); // and the table stands
}

TEST_CASE("a repair that fails on many ticks is logged once, and so is what it could not find out") {
    Repaired r;
    r.table.broken = {"install", "forget used"};
    const CapturedLog log;
    r.notice(kObjects);
    for (int i = 0; i < 3; ++i)
        REQUIRE(r.repair.on_tick(kNow));
    CHECK(log.lines() == 2);
}
