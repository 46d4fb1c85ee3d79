// SPDX-License-Identifier: MIT
//
// PanicControl: "knockctl panic". Everything closes and every session ends, and nobody is let in until "knockctl panic
// --over". What fails is tried again on every tick, and by the next daemon.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/lifecycle/panic.h"
#include "daemon/lifecycle/ports.h"

#include <functional>

namespace xk {

struct PanicReport {
    std::size_t grants = 0, sessions = 0; // closed, and ended
    bool outlives_us = true;              // it is on the disk
};

class PanicControl {
  public:
    struct World {
        WorkerPort& worker;
        RulesetPort& ruleset;
        ClosingPort& closing;
        CurrentConfig& config;
        authz::EventSink& events;
        bool dry_run = false; // nothing is closed
    };
    // `on_change` is called when it has begun or is over: the last good ruleset and the status line depend on it.
    PanicControl(Panic& panic, World world, std::function<void()> on_change)
        : panic_(panic), world_(world), on_change_(std::move(on_change)) {}

    // By the operator. The session that they call from is spared, and so are those of gate.allow.
    Result<PanicReport> begin(const std::optional<TcpSession>& caller, const Now& now);
    // At the start, before anybody is judged: one of a daemon before us.
    Result<void> go_on(const Now& now);
    // Carries out what failed.
    void tick(const Now& now);
    // False: there was none. It goes on where its file cannot be removed.
    Result<bool> end(const Now& now);

  private:
    Result<std::size_t> carry_out(const Now& now);

    Panic& panic_;
    World world_;
    std::function<void()> on_change_;
};

} // namespace xk
