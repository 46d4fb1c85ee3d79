// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/disabled.h"

#include "daemon/log.h"

namespace xk {

Result<void> check_disabled(const config::Config& next, const config::Config& now) {
    std::string faults;
    for (const config::Disabled& disabled : next.disabled)
        if (!config::names(now.disabled, disabled.file))
            for (const std::string& fault : disabled.faults)
                faults += (faults.empty() ? "" : "\n") + fault;
    return faults.empty() ? Result<void>() : Error{faults, {}, Exit::configuration};
}

void log_disabled(const config::Config& config) {
    for (const config::Disabled& disabled : config.disabled) {
        for (const std::string& fault : disabled.faults)
            log::error("{}", fault);
        log::error("{}: whom it describes is disabled until it is mended and \"knockctl reload\" reads it; the others "
                   "are judged",
                   disabled.file);
    }
}

} // namespace xk
