// SPDX-License-Identifier: MIT
#include "daemon/authz/sequences.h"

namespace xk::authz {

// A begun sequence has the right first port of one credential, and by chance of some others. A wrong port ends it, so
// it is one try at the other ports, which are different from those before them.
double guess_odds(std::size_t credentials, std::size_t ports) {
    if (credentials == 0)
        return 0;
    constexpr double kSlotsOfDay = 86400.0 / wire::kSlotLength.count();
    constexpr double kPorts = sequence::kPorts;
    double odds = kSlotsOfDay * kMostBegun * (1 + static_cast<double>(credentials - 1) / kPorts);
    for (std::size_t i = 1; i < ports; ++i)
        odds /= kPorts - static_cast<double>(i);
    return odds;
}

} // namespace xk::authz
