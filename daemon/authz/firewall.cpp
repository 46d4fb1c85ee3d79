// SPDX-License-Identifier: MIT
#include "daemon/authz/firewall.h"

#include <cstring>

namespace xk::authz {

bool is_sound(const GrantRequest& request) {
    // A bool whose byte is neither 0 nor 1 must not be read as one.
    static_assert(sizeof request.single_use == 1);
    std::uint8_t single_use = 0;
    std::memcpy(&single_use, &request.single_use, sizeof single_use);
    return single_use <= 1 && is_known(request.endpoint.protocol);
}

Reject reject_of(Answer answer) {
    switch (answer) {
    case Answer::banned:
        return Reject::banned;
    case Answer::own_address:
        return Reject::own_address;
    case Answer::limit:
        return Reject::limit;
    case Answer::failed:
        return Reject::firewall;
    case Answer::panic:
        return Reject::panic;
    case Answer::refused:
    case Answer::done:
    case Answer::waiting:
        break;
    }
    return Reject::refused;
}

} // namespace xk::authz
