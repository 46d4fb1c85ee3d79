// SPDX-License-Identifier: MIT
#include "daemon/privsep/budget.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace xk::privsep {

bool Budget::try_spend(BootTime now) {
    const std::chrono::duration<double> passed = now - std::exchange(last_, now);
    left_ = std::min<double>(most_, left_ + passed.count() * per_second_);
    if (left_ < 1)
        return false;
    --left_;
    return true;
}

} // namespace xk::privsep
