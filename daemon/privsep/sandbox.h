// SPDX-License-Identifier: MIT
//
// The worker gives up its rights before it reads the first byte that a stranger chose: memory beyond its need, its
// user, every capability and the way back to one (no_new_privs), files, TCP and other processes (landlock.h), and every
// system call but a fixed list, which has none that takes a path, opens a socket, starts a process or makes memory
// executable. Any other system call ends the process (docs/security.md).
#pragma once

#include "protocol/base/result.h"

#include <sys/types.h>

namespace xk::privsep {

// Bytes that the worker may map beyond what it has mapped when it enters. With 10,000 credentials, the two
// configurations of a reload and the largest number of bans it needs a quarter of them.
inline constexpr std::size_t kMoreMemory = 256u << 20;
// Standard input to error, channel, ring, state, timer, and the descriptors of three messages.
inline constexpr unsigned kMostDescriptors = 128;

// Irreversible. Needs CAP_SETUID and CAP_SETGID unless the process is that user already.
Result<void> enter_sandbox(uid_t uid, gid_t gid);

} // namespace xk::privsep
