// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/last_good_keeper.h"

#include "daemon/lifecycle/last_good.h"
#include "daemon/lifecycle/ruleset_spec.h"

namespace xk {

// Takes away the one that stands even if the file cannot be changed, and returns the first error.
Result<void> LastGoodKeeper::keep(const config::Config& config, bool stays) {
    const bool table = config.gate_mode == config::GateMode::table;
    auto done = stays && table && config.shut_on_failure ? write_last_good(config.state_directory, ruleset_of(config))
                                                         : forget_last_good(config.state_directory);
    if (!done)
        done = std::move(done).error().within("after a boot a start that fails puts up another ruleset than this one");
    if (table || !stands_) // in mode "table" the configuration's own table has replaced it
        return done;
    auto gone = ruleset_.remove();
    stands_ = !gone;
    if (!gone && done)
        done = std::move(gone).error().within("the last good ruleset still shuts ports");
    return done;
}

} // namespace xk
