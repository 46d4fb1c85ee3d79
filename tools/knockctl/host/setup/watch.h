// SPDX-License-Identifier: MIT
//
// Watches the gate on trial, and confirms it when a connection came through it by a knock.
#pragma once

#include "daemon/config/config.h"
#include "protocol/base/result.h"
#include "tools/knockctl/control.h"
#include "tools/knockctl/host/setup/console.h"
#include "tools/knockctl/host/setup/proof.h"

namespace xk::tools::setup {

enum class TrialEnd {
    proved,    // a connection came by a knock, and the trial is confirmed
    confirmed, // somebody else confirmed it
    over,      // the time ended: the ports are open again, and why nothing came was said
};

// The daemon is on trial. `sightings` has the connections that were there when the gate had come up. An Error where
// somebody stopped it: the trial goes on, and ends by itself.
Result<TrialEnd> watch_trial(Console& console, const Control& control, const config::Config& config,
                             Sightings& sightings);

} // namespace xk::tools::setup
