// SPDX-License-Identifier: MIT
//
// Upkeep has the steps of a tick, which runs once a second. Each step comes before the steps that depend on it;
// tick.cpp gives the reasons.
#pragma once

#include "protocol/base/clock.h"

namespace xk {

class Upkeep {
  public:
    virtual ~Upkeep() = default;
    virtual bool is_over(const Now& now) = 0; // the trial is over, and the daemon has to stop
    virtual void notice_sleep(const Now& now) = 0;
    virtual void notice_generation(const Now& now) = 0;
    virtual void retry_reload() = 0;
    virtual void end_grants(const Now& now) = 0;     // those that are over, or that their holder has no right to
    virtual void report_changes(const Now& now) = 0; // to the listeners of grants
    virtual void limit_syn_guard(const Now& now) = 0;
    virtual void check_sessions(const Now& now) = 0;
    virtual void carry_out_panic(const Now& now) = 0;
    virtual void end_bans(const Now& now) = 0;
    virtual void supervise_hooks(const Now& now) = 0;
    virtual void expire_tags(const Now& now) = 0;
    virtual void repair_ruleset(const Now& now) = 0;
    virtual void keep_interfaces_attached(const Now& now) = 0;
    virtual void admit_clients(const Now& now) = 0; // clients of the control socket
    virtual void save_state(const Now& now) = 0;
};

// Returns false where the daemon has to stop.
bool run_tick(Upkeep& upkeep, const Now& now);

} // namespace xk
