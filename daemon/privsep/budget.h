// SPDX-License-Identifier: MIT
//
// Budget: a token bucket that bounds how many messages the other side may send. It begins full.
#pragma once

#include "protocol/base/clock.h"

#include <cstdint>

namespace xk::privsep {

class Budget {
  public:
    // `most` messages at once, and `per_second` more in each second after that.
    Budget(std::uint32_t most, std::uint32_t per_second) : most_(most), per_second_(per_second), left_(most) {}

    // Pays for one message; false if nothing is left.
    bool try_spend(BootTime now);

  private:
    std::uint32_t most_, per_second_;
    double left_;
    BootTime last_{};
};

} // namespace xk::privsep
