// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/last_good_keeper.h"

#include "daemon/lifecycle/last_good.h"
#include "daemon/lifecycle/ruleset_spec.h"
#include "daemon/log.h"

namespace xk {

void LastGoodKeeper::keep(const config::Config& config, bool stays) {
    const bool table = config.gate_mode == config::GateMode::table;
    auto done = stays && table && config.shut_on_failure ? write_last_good(config.state_directory, ruleset_of(config))
                                                         : forget_last_good(config.state_directory);
    if (!done)
        log::error(
            std::move(done).error().within("after a boot a start that fails puts up another ruleset than this one"));
    if (table || !stands_) // in mode "table" the configuration's own table has replaced it
        return;
    if (auto gone = ruleset_.remove(); !gone)
        log::error(std::move(gone).error().within("the last good ruleset still shuts ports"));
    else
        stands_ = false;
}

} // namespace xk
