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
        log::error(std::move(done).error().within("what a start that fails puts up after a boot is not this ruleset"));
    if (!table && std::exchange(stands_, false)) // the mode is another one by now
        if (auto gone = ruleset_.remove(); !gone)
            log::error(gone.error());
}

} // namespace xk
