// SPDX-License-Identifier: MIT
//
// The memory file that goes with a NewPolicy. It holds three arrays in host byte order: services, changed credentials
// with their places, emptied places. The writer of xknockd and the reader of the worker are both here.
#pragma once

#include "daemon/authz/policy_change.h"
#include "daemon/privsep/messages.h"

namespace xk::privsep {

// The message without its generations, and a sealed memory file.
struct PolicyFile {
    NewPolicy message;
    Fd file;
};
Result<PolicyFile> write_policy_file(const authz::PolicyChange& change);

// An error (Exit::bug) if message and file are not a sound change.
Result<authz::PolicyChange> read_policy_file(const NewPolicy& message, const Fd& file);

} // namespace xk::privsep
