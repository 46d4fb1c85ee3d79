// SPDX-License-Identifier: MIT
//
// Reload: another configuration comes to count, in two phases. The first phase has the steps that can fail: the worker
// reads the keys, the filter is loaded and attached, the ruleset is replaced, and the worker judges anew. Where one of
// them fails, those before it are undone, and everything is as before. In the second phase the configuration counts,
// and its followers take it over one after the other.
//
// A follower that fails does not bring the old configuration back, because by then the ports are shut by the new one.
// It tries again on every tick until it succeeds.
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
        SynGuardPort& guard;
        RulesetPort& ruleset;
        CurrentConfig& config;
        authz::EventSink& events;
        std::function<void()> want_repair; // called where the old ruleset could not be restored
    };
    // A part that takes over the configuration that counts. The grants, for example, close those that it forbids.
    struct Follower {
        std::string what; // in the log: "the grants"
        std::function<Result<void>(const SharedConfig&)> follow;
    };
    // Refuses a configuration for a reason that this class does not know.
    using Check = std::function<Result<void>(const config::Config& next)>;

    // Followers act in this order.
    Reload(World world, Check check, std::vector<Follower> followers)
        : world_(world), check_(std::move(check)), followers_(std::move(followers)) {}

    // Reads the file of the configuration that counts once more, and brings what it says now.
    Result<void> run(const Now& now);
    // Makes a configuration that was read count.
    Result<void> bring(config::Config read, const Now& now);

    // Lets the followers that failed try again.
    void tick();

  private:
    Result<void> prepare(const std::shared_ptr<config::Config>& next, const Now& now);

    World world_;
    Check check_;
    std::vector<Follower> followers_;
    std::vector<const Follower*> behind_; // those that failed
};

// The differences for the operator: "2 credentials added, 1 changed; gate.allow", or "nothing".
std::string text_of_changes(const config::Config& before, const config::Config& after);

} // namespace xk
