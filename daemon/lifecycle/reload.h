// SPDX-License-Identifier: MIT
//
// Reload: another configuration comes to count, in two phases. First everything is done that can fail: the worker reads
// the keys, the filter is loaded and attached, the ruleset is replaced, and the worker judges anew. Where one of these
// fails, those before it are undone, and everything is as before. Then the configuration counts, and its followers are
// told one after the other.
//
// A follower that fails does not bring the old configuration back, because by then the new one is what the ports are
// shut by. It is tried again on every tick until it is done.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/lifecycle/ports.h"

#include <functional>
#include <string>
#include <vector>

namespace xk {

class Reload {
  public:
    struct World {
        WorkerPort& worker;
        FilterPort& filter;
        InterfacesPort& interfaces;
        GuardPort& guard;
        RulesetPort& ruleset;
        CurrentConfig& config;
        authz::EventSink& events;
        std::function<void()> want_repair; // the ruleset of before does not come back at once: it is tried again
    };
    // Takes over the configuration that has come to count: grants that it no longer allows are closed, and so on.
    struct Follower {
        std::string what; // for the log: "the grants"
        std::function<Result<void>(const SharedConfig&)> follow;
    };
    // A reason of somebody else's why a reload cannot bring this configuration.
    using Check = std::function<Result<void>(const config::Config& next)>;

    // Followers are told in this order.
    Reload(World world, Check check, std::vector<Follower> followers)
        : world_(world), check_(std::move(check)), followers_(std::move(followers)) {}

    // Reads the file of the configuration that counts once more.
    Result<void> run(const Now& now);
    // The same with a configuration that was read.
    Result<void> bring(config::Config read, const Now& now);

    // Tells followers that failed again.
    void tick();

  private:
    Result<void> prepare(const std::shared_ptr<config::Config>& next, const Now& now);

    World world_;
    Check check_;
    std::vector<Follower> followers_;
    std::vector<const Follower*> behind_; // those that failed
};

// What differs, for the operator: "2 credentials added, 1 changed; services; gate.allow". "nothing" where nothing does.
std::string text_of_changes(const config::Config& before, const config::Config& after);

} // namespace xk
