// SPDX-License-Identifier: MIT
//
// The table of all verbs. `Ports` implements the interface of each group and must outlive the table.
#pragma once

#include "daemon/verbs/bans.h"
#include "daemon/verbs/clock.h"
#include "daemon/verbs/close.h"
#include "daemon/verbs/events.h"
#include "daemon/verbs/grants.h"
#include "daemon/verbs/open.h"
#include "daemon/verbs/panic.h"
#include "daemon/verbs/reload.h"
#include "daemon/verbs/sources.h"
#include "daemon/verbs/stats.h"
#include "daemon/verbs/status.h"
#include "daemon/verbs/trial.h"
#include "daemon/verbs/users.h"

#include <algorithm>
#include <iterator>

namespace xk::verbs {

template <typename Ports>
Table all_verbs(Ports& ports) {
    Table all;
    for (Table group : {status_verbs(ports, ports, ports), grant_verbs(ports, ports), user_verbs(ports, ports, ports),
                        stats_verbs(ports), event_verbs(ports), ban_verbs(ports, ports), open_verbs(ports, ports),
                        close_verbs(ports, ports), panic_verbs(ports), reload_verbs(ports, ports), trial_verbs(ports),
                        clock_verbs(ports, ports)})
        std::ranges::move(group, std::back_inserter(all));
    return all;
}

} // namespace xk::verbs
