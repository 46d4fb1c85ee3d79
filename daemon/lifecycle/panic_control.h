// SPDX-License-Identifier: MIT
//
// PanicControl carries out "knockctl panic". It closes every grant and ends every session, and all knocks are refused
// until "knockctl panic --over". Steps that fail are tried again on every tick, and by the next daemon.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/lifecycle/lasting_error.h"
#include "daemon/lifecycle/panic.h"
#include "daemon/lifecycle/ports.h"

#include <functional>

namespace xk {

struct PanicReport {
    std::size_t grants = 0, sessions = 0; // grants that were closed, sessions that have ended
    bool outlives_us = true;              // it is on the disk, so the next daemon is in panic too
};

class PanicControl {
  public:
    struct World {
        WorkerPort& worker;
        RulesetPort& ruleset;
        ClosingPort& closing;
        CurrentConfig& config;
        authz::EventSink& events;
        // Called when the panic began or is over: the last good ruleset and the status line depend on it.
        std::function<void()> on_change;
        // Called when the rules without a panic could not be installed: the next tick tries again.
        std::function<void()> want_repair;
        bool dry_run = false; // nothing is closed
    };
    PanicControl(Panic& panic, World world) : panic_(panic), world_(std::move(world)) {}

    // The operator's order. Their own session is spared, and so are those of gate.allow. Everything that can be closed
    // is closed before an error is returned.
    Result<PanicReport> begin_panic(const std::optional<TcpSession>& caller, const Now& now);
    // Called at the start, before the first knock is judged: continues the panic of an earlier daemon.
    Result<void> go_on(const Now& now);
    // Tries again the steps that failed.
    void on_tick(const Now& now);
    // Returns false where there was no panic. The panic goes on if its file cannot be removed.
    Result<bool> end(const Now& now);

  private:
    Result<std::size_t> carry_out(const Now& now);

    Panic& panic_;
    World world_;
    LastingError error_; // of on_tick()
};

} // namespace xk
