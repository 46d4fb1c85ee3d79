// SPDX-License-Identifier: MIT
#include "daemon/authz/sequences.h"

#include "protocol/otp.h"

#include <sodium.h>

#include <string>

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

std::vector<std::uint16_t> clock_ports_of(const FactorSecret& secret, Slot slot, std::size_t count) {
    std::string code = totp_code({secret.bytes, secret.size}, slot, 6);
    auto ports = sequence::clock_ports(code, count);
    sodium_memzero(code.data(), code.size());
    return ports;
}

// A run of ports is one guess at the codes of all credentials, and for a moment at those of two slots. The bucket gives
// an hour's attempts at once, and those of 24 hours.
double clock_guess_odds(std::size_t credentials, std::uint32_t attempts_per_hour) {
    constexpr double kCodes = 1e6, kSlots = 2, kHours = 24 + 1;
    return kHours * attempts_per_hour * kSlots * static_cast<double>(credentials) / kCodes;
}

} // namespace xk::authz
