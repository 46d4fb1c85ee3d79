// SPDX-License-Identifier: MIT
//
// Users and capabilities of the two processes. All of it is irreversible and sets no_new_privs; neither process can
// be traced or dumps core afterwards.
#pragma once

#include "protocol/base/result.h"

#include <sys/types.h>

#include <string>

namespace xk::privsep {

// Says which of CAP_NET_ADMIN and CAP_BPF are missing from the permitted set, as an error.
Result<void> check_capabilities();

// The privileged process after start-up: the given user, if it is root still, and of all capabilities
// CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON (as far as it has them). With `dispatcher` also CAP_SYS_ADMIN and
// CAP_DAC_OVERRIDE, but not in effect: daemon/xdp/dispatcher.cpp raises them while it works.
Result<void> keep_capabilities(uid_t uid, gid_t gid, bool dispatcher);

// And without those two after all.
Result<void> drop_dispatcher_capabilities();

// The worker: the given user without supplementary groups and without any capability.
Result<void> become_nobody(uid_t uid, gid_t gid);

} // namespace xk::privsep
