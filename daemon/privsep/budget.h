// SPDX-License-Identifier: MIT
//
// Budget: how much the other side may ask for, as a token bucket. It begins full.
#pragma once

#include "protocol/base/clock.h"

#include <cstdint>

namespace xk::privsep {

class Budget {
  public:
    // `most` at once, and so many in a second after that.
    Budget(std::uint32_t most, std::uint32_t per_second) : most_(most), per_second_(per_second), left_(most) {}

    // Takes one; false where none is left.
    bool take(BootTime now);

  private:
    std::uint32_t most_, per_second_;
    double left_;
    BootTime last_{};
};

} // namespace xk::privsep
