// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/steps.h"

namespace xk {

Result<void> carry_out(std::span<const Step> steps) {
    for (std::size_t n = 0; n < steps.size(); ++n) {
        auto done = steps[n].carry_out();
        if (done)
            continue;
        while (n-- > 0)
            if (steps[n].undo)
                steps[n].undo();
        return done;
    }
    return {};
}

} // namespace xk
