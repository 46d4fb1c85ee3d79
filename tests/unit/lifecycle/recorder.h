// SPDX-License-Identifier: MIT
//
// Recorder: the world of daemon/lifecycle/ports.h as a record. It fails at the step that it is told to, counted from 1,
// and at each step it checks that the ports are as shut as they must be then.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/lifecycle/ports.h"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

namespace xk::test {

using namespace std::chrono_literals;

const Now kNow{WallTime(1'700'000'000s), BootTime(1000s)};

struct Events : authz::EventSink {
    std::vector<authz::Event> all;
    void on_event(const authz::Event& event) override { all.push_back(event); }
    std::vector<std::string> texts(authz::EventKind kind) const {
        std::vector<std::string> found;
        for (const authz::Event& event : all)
            if (event.kind == kind)
                found.push_back(event.detail);
        return found;
    }
    bool has(authz::EventKind kind) const { return !texts(kind).empty(); }
};

// What outlives a call, by the name of the configuration that it is of. Empty: it is not there.
struct State {
    std::string judges;   // the worker
    std::string filter;   // counts
    std::string loaded;   // beside it
    std::string attached; // the filter on the interfaces
    std::string ruleset;
    std::string guard; // is on
    bool pins = true;
    bool operator==(const State&) const = default;
};

struct Recorder : WorkerPort, FilterPort, InterfacesPort, SynGuardPort, RulesetPort, AdoptionPort, ClosingPort {
    State state;
    std::string handed_over, committed, attached_before;
    std::vector<std::string> steps;
    std::set<std::size_t> fails; // numbers of steps that can fail
    std::size_t tried = 0;
    bool removal_fails = false;
    bool users_alone = false; // the last hand-over: the ports are shut by the same rules as before
    bool panic_told = false, panic = false;
    bool bans_stand = false, tables_known = false;
    std::size_t grants = 3, sessions = 2, horizons = 0;

    Result<void> step(const std::string& what) {
        steps.push_back(what);
        return fails.contains(++tried) ? Result<void>(Error{what + " failed", {}}) : Result<void>();
    }
    bool did(const std::string& what) const { return std::ranges::find(steps, what) != steps.end(); }
    std::ptrdiff_t at(const std::string& what) const {
        const auto found = std::ranges::find(steps, what);
        REQUIRE_MESSAGE(found != steps.end(), what);
        return found - steps.begin();
    }

    // WorkerPort
    Result<void> hand_over(config::Config& next, const config::Config*) override {
        users_alone = false;
        auto done = step("hand over");
        if (done)
            handed_over = next.file;
        return done;
    }
    Result<void> hand_over_users(config::Config& next, const config::Config&,
                                 const std::set<std::string>& users) override {
        users_alone = true;
        std::string what = "hand over users";
        for (const std::string& user : users)
            what += " " + user;
        auto done = step(what);
        if (done)
            handed_over = next.file;
        return done;
    }
    void commit(const SharedConfig& next) override {
        CHECK(handed_over == next->file);
        steps.push_back("commit");
        committed = next->file;
    }
    Result<void> activate() override {
        CHECK(committed == handed_over);
        if (!users_alone)
            CHECK(state.ruleset == committed); // nobody is judged by what the ports are not shut by
        auto done = step("activate");
        if (done)
            state.judges = committed;
        return done;
    }
    Result<void> wait_for_tags() override { return step("tags"); }
    Result<void> set_panic(bool on) override {
        auto done = step("set panic");
        if (done) {
            panic_told = true;
            panic = on;
        }
        return done;
    }
    Result<void> raise_horizon() override {
        auto done = step("raise horizon");
        horizons += done.has_value();
        return done;
    }

    // FilterPort
    Result<void> load(const config::Config& next) override {
        auto done = step("load");
        if (done)
            state.loaded = next.file;
        return done;
    }
    void discard_loaded() override { state.loaded.clear(); }
    void commit_loaded() override {
        steps.push_back("commit filter");
        state.filter = std::exchange(state.loaded, "");
    }
    Result<void> write(const config::Config&) override { return step("write maps"); }
    Result<void> take_away() override {
        state.pins = false;
        return {};
    }

    // InterfacesPort
    Result<void> attach(const config::Config& next, const Now&) override {
        auto done = step("attach");
        if (done) {
            attached_before = state.attached;
            state.attached = next.file;
        }
        return done;
    }
    void go_back() override { state.attached = attached_before; }

    // SynGuardPort: it may be laxer than the ruleset and never stricter.
    Result<void> begin(const Now&) override {
        auto done = step("begin guard");
        if (done)
            state.guard.clear();
        return done;
    }
    void off() override {
        steps.push_back("guard off");
        state.guard.clear();
    }
    void on(const config::Config& config) override {
        steps.push_back("guard on");
        if (fails.size() < 2) // where the way back fails too, the guard shuts what the old rules did
            CHECK(state.ruleset == config.file);
        state.guard = config.file;
    }

    // RulesetPort
    Result<void> install(const config::Config& config) override {
        CHECK((state.guard.empty() || state.guard == config.file));
        auto done = step("ruleset");
        if (done)
            state.ruleset = config.file;
        return done;
    }
    Result<bool> exists() override {
        auto done = step("look for ruleset");
        return done ? Result<bool>(!state.ruleset.empty()) : Result<bool>(done.error());
    }
    Result<void> remove() override {
        steps.push_back("remove ruleset");
        if (removal_fails)
            return Error{"the kernel is busy", {}};
        state.ruleset.clear();
        return {};
    }

    // AdoptionPort
    Result<void> revoke_copy(const Now&) override { return step("revoke copy"); }
    Result<void> adopt_tables(const Now&) override {
        auto done = step("adopt tables");
        tables_known = done.has_value();
        return done;
    }
    Result<void> adopt_sessions(bool ruleset_was_there) override {
        return step(ruleset_was_there ? "adopt sessions with grants" : "adopt sessions");
    }
    Result<void> install_bans(const Now&) override {
        auto done = step("bans");
        bans_stand = done.has_value();
        return done;
    }

    // ClosingPort
    std::size_t count_grants() const override { return grants; }
    Result<void> close_grants(const Now&) override {
        auto done = step("close grants");
        if (done)
            grants = 0;
        return done;
    }
    Result<void> close_users(const Now&) override { return step("close users"); }
    Result<std::size_t> end_sessions(const std::optional<TcpSession>& spared, const Now&) override {
        auto done = step(spared ? "end sessions but one" : "end sessions");
        return done ? Result<std::size_t>(std::exchange(sessions, 0)) : Result<std::size_t>(done.error());
    }
};

inline config::Config named(const std::string& name) {
    config::Config config;
    config.file = name;
    return config;
}

} // namespace xk::test
