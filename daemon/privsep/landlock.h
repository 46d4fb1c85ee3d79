// SPDX-License-Identifier: MIT
//
// Landlock (Linux 5.13) takes away files, TCP and other processes, whatever system call asks for them. The list of
// system calls in sandbox.cpp cannot do that alone: sendmsg(2), which the worker needs, also reaches abstract sockets
// of other programs. The bits are those of linux/landlock.h.
#pragma once

#include "protocol/base/result.h"

#include <cstdint>

namespace xk::privsep {

struct LandlockRights {
    std::uint64_t files = 0;   // LANDLOCK_ACCESS_FS_*
    std::uint64_t network = 0; // LANDLOCK_ACCESS_NET_*
    std::uint64_t scopes = 0;  // LANDLOCK_SCOPE_*

    bool operator==(const LandlockRights&) const = default;
};

// The version of the interface in the running kernel. 0: the kernel has no Landlock.
int landlock_version();

// Every right that a kernel with this version knows. Rights that came after version 6 are left out until a test here
// covers them.
LandlockRights landlock_rights(int version);

// Irreversible, for this process and its children. The kernel must know each of these rights (EINVAL). Needs
// no_new_privs or CAP_SYS_ADMIN. Does nothing for an empty set.
Result<void> drop_landlock_rights(const LandlockRights& rights);

} // namespace xk::privsep
