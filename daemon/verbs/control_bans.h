// SPDX-License-Identifier: MIT
//
// The verbs about bans: bans, ban, unban.
#pragma once

#include "daemon/verbs/control_fields.h"

namespace xk {

class Daemon;

Rows bans(Daemon& daemon);
Reply ban(Daemon& daemon, const nlohmann::json& request);
Reply unban(Daemon& daemon, const nlohmann::json& request);

} // namespace xk
