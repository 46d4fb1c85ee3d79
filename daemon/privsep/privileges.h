// SPDX-License-Identifier: MIT
//
// Users and capabilities of the two processes. Everything here is irreversible and sets no_new_privs. Afterwards
// neither process can be traced, and neither dumps core.
#pragma once

#include "protocol/base/result.h"

#include <sys/types.h>

#include <string>

namespace xk::privsep {

// An error names those of CAP_NET_ADMIN and CAP_BPF that the permitted set lacks.
Result<void> check_capabilities();

// For xknockd after its start. It becomes the given user and keeps CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON as far as it
// has them. With `dispatcher` it also keeps CAP_SYS_ADMIN and CAP_DAC_OVERRIDE, but not in effect:
// daemon/xdp/dispatcher.cpp raises them while it works.
Result<void> keep_capabilities(uid_t uid, gid_t gid, bool dispatcher);

// Gives up CAP_SYS_ADMIN and CAP_DAC_OVERRIDE too.
Result<void> drop_dispatcher_capabilities();

// For the worker. It becomes the given user without supplementary groups and without any capability.
Result<void> become_nobody(uid_t uid, gid_t gid);

} // namespace xk::privsep
