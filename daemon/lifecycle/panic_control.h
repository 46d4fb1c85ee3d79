// SPDX-License-Identifier: MIT
//
// PanicControl: "knockctl panic". It closes every grant and ends every session, and nobody gets in until "knockctl
// panic
// --over". Steps that fail are tried again on every tick, and by the next daemon.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/lifecycle/panic.h"
#include "daemon/lifecycle/ports.h"

#include <functional>

namespace xk {

struct PanicReport {
    std::size_t grants = 0, sessions = 0; // closed, and ended
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
        std::function<void()> on_change;   // it has begun or is over: last good ruleset and status line depend on it
        std::function<void()> want_repair; // the rules without a panic do not stand yet: they are tried again
        bool dry_run = false;              // nothing is closed
    };
    PanicControl(Panic& panic, World world) : panic_(panic), world_(std::move(world)) {}

    // The operator's order. Their own session is spared, and so are those of gate.allow. Everything that can be closed
    // is closed before an error is returned.
    Result<PanicReport> begin(const std::optional<TcpSession>& caller, const Now& now);
    // At the start, before anybody is judged: goes on with the panic of an earlier daemon.
    Result<void> go_on(const Now& now);
    // Tries again the steps that failed.
    void tick(const Now& now);
    // False where there was none. The panic goes on where its file cannot be removed.
    Result<bool> end(const Now& now);

  private:
    Result<std::size_t> carry_out(const Now& now);

    Panic& panic_;
    World world_;
};

} // namespace xk
