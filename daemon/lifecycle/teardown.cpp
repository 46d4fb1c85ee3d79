// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/teardown.h"

#include "daemon/log.h"

namespace xk {

Result<void> tear_down(TeardownPort& port, Result<void> ended) {
    port.settle_grants();
    port.guard_off(); // nobody tells the filter any more which addresses are this host's
    // Before all that takes time: whoever is locked out waits for it.
    if (!port.gate_stays())
        if (auto gone = port.take_away(); !gone)
            return gone;
    if (!ended) // a copy of a daemon that failed is not clean
        return ended;
    port.stop_hooks();
    port.end_worker(); // so that nothing is accepted after the copy was written
    if (auto saved = port.save_copy(); !saved)
        log::error(saved.error());
    if (auto saved = port.save_owners(); !saved)
        log::error(saved.error());
    return port.finish_trial();
}

} // namespace xk
