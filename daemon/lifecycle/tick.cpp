// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/tick.h"

namespace xk {

bool run_tick(Upkeep& upkeep, const Now& now) {
    if (upkeep.is_over(now))
        return false;
    upkeep.notice_sleep(now); // first, because grants and bans get the time that is left of them
    upkeep.notice_generation(now);
    upkeep.retry_reload();
    upkeep.end_grants(now);
    upkeep.report_changes(now);
    upkeep.limit_syn_guard(now); // it knows now which sources have no grant any more
    upkeep.check_sessions(now);  // before bans end, because a short ban ends sessions too
    upkeep.carry_out_panic(now);
    upkeep.end_bans(now);
    upkeep.supervise_hooks(now);
    upkeep.expire_tags(now);
    upkeep.repair_ruleset(now); // with the grants and bans that are left
    upkeep.keep_interfaces_attached(now);
    upkeep.admit_clients(now);
    upkeep.save_state(now); // last, so that the copy holds the changes of this tick
    return true;
}

} // namespace xk
