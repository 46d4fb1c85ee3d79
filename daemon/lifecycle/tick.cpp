// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/tick.h"

namespace xk {

bool run_tick(Upkeep& upkeep, const Now& now) {
    if (upkeep.is_over(now))
        return false;
    upkeep.notice_sleep(now); // first, because it corrects the time of grants and bans
    upkeep.notice_generation(now);
    upkeep.retry_reload();
    upkeep.end_grants(now);
    upkeep.report_changes(now);
    upkeep.limit_syn_guard(now); // after report_changes(), which names the sources without a grant
    upkeep.check_sessions(now);  // before end_bans(), because a short ban ends sessions too
    upkeep.carry_out_panic(now);
    upkeep.end_bans(now);
    upkeep.supervise_hooks(now);
    upkeep.expire_tags(now);
    upkeep.repair_ruleset(now); // after end_grants() and end_bans(), so that it writes only what is left
    upkeep.keep_interfaces_attached(now);
    upkeep.admit_clients(now);
    upkeep.save_state(now); // last, so that the copy holds the changes of this tick
    return true;
}

} // namespace xk
