// SPDX-License-Identifier: MIT
//
// Reload replaces the configuration that counts, in two phases. The first phase has the steps that can fail: the worker
// reads the keys, the filter is loaded and attached, the ruleset is replaced, and the worker judges by the new
// configuration. If one of them fails, the steps before it are undone, and everything is as before. In the second phase
// the new configuration counts, and its followers take it over one after the other.
//
// A follower that fails does not bring the old configuration back, because by then the worker and the ruleset use the
// new one. It tries again on every tick until it succeeds.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/lifecycle/ports.h"

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace xk {

class Reload {
  public:
    struct World {
        WorkerPort& worker;
        FilterPort& filter;
        InterfacesPort& interfaces;
        SynGuardPort& guard;
        RulesetPort& ruleset;
        CurrentConfig& config;
        authz::EventSink& events;
        std::function<void()> want_repair; // called where the old ruleset could not be restored
    };
    // A part that takes over the configuration that counts. For example, Grants closes the grants that it forbids.
    struct Follower {
        std::string what; // in the log: "the grants"
        std::function<Result<void>(const SharedConfig&)> follow;
        // What is left of it where only users changed; none: nothing is.
        std::function<Result<void>(const SharedConfig&)> follow_users = {};
    };
    // Refuses a configuration for further reasons, which the wiring knows.
    using Check = std::function<Result<void>(const config::Config& next)>;

    // Followers act in this order.
    Reload(World world, Check check, std::vector<Follower> followers)
        : world_(world), check_(std::move(check)), followers_(std::move(followers)) {}

    // Reads the file of the configuration that counts again, and calls bring() with the result.
    Result<void> reload_config(const Now& now);
    // Makes this configuration count. After an error the earlier one still counts.
    Result<void> bring(config::Config read, const Now& now);
    // Reads the files of these users again and makes the result count (config::load_users()). Nothing of another user
    // is read, derived or published again, and filter, interfaces and ruleset stay.
    Result<void> reload_users(const std::set<std::string>& users, const Now& now);
    Result<void> bring_users(config::Config read, const std::set<std::string>& users, const Now& now);

    // Lets the followers that failed try again.
    void on_tick();
    // Something changed outside of a reload, and `done` is whether this follower could write it. If it could not, the
    // error is logged, and the follower tries again on every tick as after a reload.
    void follow_change(std::string_view what, const Result<void>& done);

  private:
    void emit_reloaded(const std::string& changes, const Now& now);
    void tell_followers(std::function<Result<void>(const SharedConfig&)> Follower::*how, const SharedConfig& next);
    Result<void> prepare(const std::shared_ptr<config::Config>& next, const Now& now);

    World world_;
    Check check_;
    std::vector<Follower> followers_;
    std::vector<const Follower*> behind_; // those that failed
};

// Returns the differences for the operator: "2 credentials added, 1 changed; gate.allow", or "nothing".
std::string text_of_changes(const config::Config& before, const config::Config& after);
// The same where only these users may differ.
std::string text_of_changes(const config::Config& before, const config::Config& after,
                            const std::set<std::string>& users);

} // namespace xk
