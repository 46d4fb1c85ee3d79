// SPDX-License-Identifier: MIT
#include "daemon/gate/log_budget.h"

namespace xk::gate {

bool LogBudget::allow(Reject reason, const Address& source, BootTime now) {
    if (now - period_ >= kPeriod) {
        period_ = now;
        lines_ = 0;
        std::erase_if(last_, [&](const auto& entry) { return now - entry.second >= kQuiet; });
    }
    const auto known = last_.find({reason, source});
    const bool quiet = known != last_.end() && now - known->second < kQuiet;
    if (quiet || lines_ >= kLines) {
        ++suppressed_;
        return false;
    }
    ++lines_;
    last_[{reason, source}] = now;
    return true;
}

std::uint64_t LogBudget::take_suppressed() { return std::exchange(suppressed_, 0); }

} // namespace xk::gate
