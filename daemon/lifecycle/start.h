// SPDX-License-Identifier: MIT
//
// Start makes the first configuration count. The order of its steps keeps the ports shut at every moment: the tables of
// grants and bans are known before the ruleset stands, and no knock is judged before ruleset and bans stand. If a step
// fails, the steps before it are undone. The ruleset and the filter of an earlier daemon stay and keep the ports shut.
#pragma once

#include "daemon/lifecycle/ports.h"

#include <functional>

namespace xk {

class Start {
  public:
    struct World {
        WorkerPort& worker;
        FilterPort& filter;
        InterfacesPort& interfaces;
        SynGuardPort& guard;
        RulesetPort& ruleset;
        AdoptionPort& adoption;
    };
    // Steps of the wiring that belong to no port.
    struct Actions {
        std::function<Result<void>()> prepare_requests; // called before the worker can send a request
        // Continues the panic of an earlier daemon, before the first knock is judged.
        std::function<Result<void>()> continue_panic;
        std::function<bool()> is_in_panic;
        // Finds out whether this machine is a copy, before the first knock is judged.
        std::function<Result<void>()> look_for_copies;
        // Drops the capabilities that only attaching needs, before a thread begins.
        std::function<Result<void>()> drop_capabilities;
        std::function<Result<void>()> open_loop;      // the last step
        std::function<Result<void>()> take_gate_away; // empty where the gate outlives its daemon
    };
    struct Before {
        bool filter = false;     // the filter of an earlier daemon was attached
        bool last_good = false;  // the table that stands is the last good ruleset, which this start put up
        bool changes_net = true; // false in a dry run
    };

    Start(World world, Actions actions, Before before) : world_(world), actions_(std::move(actions)), before_(before) {}

    // Disables in `config` the credentials whose secrets cannot be used. Afterwards `config` counts.
    Result<void> start_daemon(const std::shared_ptr<config::Config>& config, const Now& now);

    // To be called after start_daemon(). Whether the ruleset of an earlier daemon stood before this start, so that
    // older sessions have had grants.
    bool ruleset_was_there() const { return ruleset_was_there_; }

  private:
    Result<void> look_for_ruleset();
    Result<void> hand_over(const std::shared_ptr<config::Config>& config, const Now& now);
    Result<void> put_up(const std::shared_ptr<config::Config>& config, const Now& now);
    void take_filter_down();
    void remove_ruleset(const config::Config& config);
    void take_gate_away();

    World world_;
    Actions actions_;
    Before before_;
    bool table_was_there_ = false;
    bool ruleset_was_there_ = false;
};

} // namespace xk
