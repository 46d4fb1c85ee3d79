// SPDX-License-Identifier: MIT
#include "daemon/authz/log_budget.h"

namespace xk::authz {

bool LogBudget::allow(unsigned kind, const Address& source, BootTime now) {
    if (now - period_ >= kPeriod) {
        period_ = now;
        lines_ = 0;
        std::erase_if(last_, [&](const auto& entry) { return now - entry.second >= quiet_; });
    }
    const auto known = last_.find({kind, source});
    const bool quiet = known != last_.end() && now - known->second < quiet_;
    if (quiet || lines_ >= limit_) {
        ++suppressed_;
        return false;
    }
    ++lines_;
    last_[{kind, source}] = now;
    return true;
}

std::uint64_t LogBudget::take_suppressed(BootTime now) {
    if (suppressed_ == 0 || now < silent_until_)
        return 0;
    silent_until_ = now + kPeriod;
    return std::exchange(suppressed_, 0);
}

} // namespace xk::authz
