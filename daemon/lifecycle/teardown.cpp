// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/teardown.h"

#include "daemon/log.h"

namespace xk {

Result<void> tear_down(TeardownPort& port, Result<void> ended) {
    port.settle_grants();
    port.switch_syn_guard_off(); // from now on the filter's list of this host's addresses is not kept current
    // This comes before all steps that take time, because an operator who is locked out on trial waits for it.
    if (!port.gate_stays())
        if (auto gone = port.take_away(); !gone) {
            if (!ended) // the caller logs one error only
                log::error(ended.error());
            return gone;
        }
    if (!ended) // the copy of a daemon that failed must not say that it is clean
        return ended;
    port.stop_hooks();
    port.end_worker(); // before save_copy(), so that no knock is accepted after the copy was written
    if (auto saved = port.save_copy(); !saved)
        log::error(saved.error());
    if (auto saved = port.save_owners(); !saved)
        log::error(saved.error());
    return port.finish_trial();
}

} // namespace xk
