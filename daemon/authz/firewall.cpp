// SPDX-License-Identifier: MIT
#include "daemon/authz/firewall.h"

namespace xk::authz {

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
