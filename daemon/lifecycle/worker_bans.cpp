// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/worker_bans.h"

#include "daemon/privsep/messages.h"

namespace xk {

Result<void> WorkerBans::on_banned(const Prefix& prefix, const std::optional<BootTime>& until) {
    privsep::Ban message;
    message.prefix = prefix;
    message.for_ever = until ? 0 : 1;
    message.until = until ? until->time_since_epoch().count() : 0;
    return privsep::send(monitor_.channel(), message);
}

Result<void> WorkerBans::on_unbanned(const Prefix& prefix) {
    privsep::Unban message;
    message.prefix = prefix;
    return privsep::send(monitor_.channel(), message);
}

} // namespace xk
