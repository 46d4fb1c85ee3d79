// SPDX-License-Identifier: MIT
//
// Start: a configuration comes to count where none did. Its steps keep the ports shut at every moment: the tables of
// grants and bans are known before the ruleset stands, and nobody is judged before all of it stands. Where a step
// fails, what this start brought is taken away again. What a daemon before it left goes on guarding.
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
        GuardPort& guard;
        RulesetPort& ruleset;
        AdoptionPort& adoption;
    };
    struct Hooks {
        std::function<Result<void>()> go_on_in_panic; // of a daemon before us, before anybody is judged
        std::function<bool()> is_in_panic;
        std::function<Result<void>()> look_for_copies; // of this machine, before the first knock is judged
        std::function<Result<void>()> serve;           // the last step: the loop can run
        std::function<Result<void>()> take_away;       // where the gate does not outlive its daemon; else empty
    };
    struct Before {
        bool filter = false;     // the filter of a daemon before us was attached
        bool last_good = false;  // the table that stands is the last good ruleset, which this start put up
        bool changes_net = true; // not a dry run
    };

    Start(World world, Hooks hooks, Before before) : world_(world), hooks_(std::move(hooks)), before_(before) {}

    // Credentials whose secrets cannot be used are disabled in `config`, which counts from then on.
    Result<void> run(const std::shared_ptr<config::Config>& config, const Now& now);

    // After run(): a ruleset stood that some configuration had come to count by. Sessions of before have had grants.
    bool ruleset_was_there() const { return ruleset_was_there_; }

  private:
    Result<void> put_up(const std::shared_ptr<config::Config>& config, const Now& now, bool table_was_there);
    void take_filter_down();

    World world_;
    Hooks hooks_;
    Before before_;
    bool ruleset_was_there_ = false;
};

} // namespace xk
