// SPDX-License-Identifier: MIT
//
// The order of what is done once a second. Each comes before what depends on it; tick.cpp says why.
#pragma once

#include "protocol/base/clock.h"

namespace xk {

class Upkeep {
  public:
    virtual ~Upkeep() = default;
    virtual bool is_over(const Now& now) = 0; // the trial; nothing else is done then
    virtual void notice_sleep(const Now& now) = 0;
    virtual void notice_generation(const Now& now) = 0;
    virtual void retry_reload() = 0;
    virtual void end_grants(const Now& now) = 0;   // those that are over, or whose holder may not hold them now
    virtual void tell_changes(const Now& now) = 0; // whoever wants to know of grants
    virtual void limit_guard(const Now& now) = 0;
    virtual void look_after_sessions(const Now& now) = 0;
    virtual void carry_out_panic(const Now& now) = 0;
    virtual void end_bans(const Now& now) = 0;
    virtual void look_after_hooks(const Now& now) = 0;
    virtual void expire_tags(const Now& now) = 0;
    virtual void repair_ruleset(const Now& now) = 0;
    virtual void look_after_interfaces(const Now& now) = 0;
    virtual void look_after_clients(const Now& now) = 0; // of the control socket
    virtual void save_state(const Now& now) = 0;
};

// False: the daemon is to stop.
bool run_tick(Upkeep& upkeep, const Now& now);

} // namespace xk
