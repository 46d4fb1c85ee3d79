// SPDX-License-Identifier: MIT
//
// What the worker takes away from itself before it reads the first byte that a stranger chose: more of the host's
// memory than it can need, its user, every capability, the right to get any back (no_new_privs), the file system
// (Landlock where the kernel has it, 5.13, and no system call that takes a path), new sockets, bpf(2), processes,
// executable memory. What is left is a fixed list of system calls; any other one ends the process (docs/security.md).
#pragma once

#include "protocol/base/result.h"

#include <sys/types.h>

namespace xk::privsep {

// How much more memory it may have than it has mapped by then, in bytes. With 10,000 credentials, two configurations in
// a reload and as many bans as there can be it needs a quarter of it.
inline constexpr std::size_t kMoreMemory = 256u << 20;
// Standard input to error, channel, ring, state, timer, and the descriptors of three messages.
inline constexpr unsigned kMostDescriptors = 128;

// Irreversible. Needs CAP_SETUID and CAP_SETGID unless the process is that user already.
Result<void> enter_sandbox(uid_t uid, gid_t gid);

} // namespace xk::privsep
