// SPDX-License-Identifier: MIT
#include "daemon/xdp/raised_rights.h"

#include <cap-ng.h>

#include <cstdlib>

namespace xk::xdp {
namespace {

constexpr unsigned kNeeded[] = {CAP_SYS_ADMIN, CAP_DAC_OVERRIDE};

bool read_capabilities() {
    capng_clear(CAPNG_SELECT_BOTH);
    return capng_get_caps_process() == 0;
}

bool change_effective(capng_act_t action, const std::vector<unsigned>& capabilities) {
    for (const unsigned capability : capabilities)
        capng_update(action, CAPNG_EFFECTIVE, capability);
    return capng_apply(CAPNG_SELECT_CAPS) == 0;
}

} // namespace

Permitted may_raise_rights() {
    if (!read_capabilities())
        return Permitted::unknown;
    for (const unsigned capability : kNeeded)
        if (!capng_have_capability(CAPNG_PERMITTED, capability))
            return Permitted::no;
    return Permitted::yes;
}

RaisedRights::RaisedRights() {
    if (!read_capabilities())
        return;
    for (const unsigned capability : kNeeded)
        if (capng_have_capability(CAPNG_PERMITTED, capability) && !capng_have_capability(CAPNG_EFFECTIVE, capability))
            raised_.push_back(capability);
    // Without a capability libxdp fails and says so.
    if (!raised_.empty() && !change_effective(CAPNG_ADD, raised_))
        raised_.clear();
}

RaisedRights::~RaisedRights() {
    // The kernel never refuses to take a right out of effect. If it did, we must not go on with that right.
    if (!raised_.empty() && !(read_capabilities() && change_effective(CAPNG_DROP, raised_)))
        std::abort();
}

} // namespace xk::xdp
