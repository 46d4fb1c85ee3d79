// SPDX-License-Identifier: MIT
//
// The memory file that goes with a NewPolicy: services, changed credentials with their places, emptied places, one
// array behind the other. Both sides' half of the layout is here.
#pragma once

#include "daemon/authz/policy_change.h"
#include "daemon/privsep/messages.h"

namespace xk::privsep {

// The message without its generations, and a memory file that nobody can change any more.
struct PolicyFile {
    NewPolicy message;
    Fd file;
};
Result<PolicyFile> write_policy_file(const authz::PolicyChange& change);

// What the message and its file say; an error (Exit::bug) where that is no sound change.
Result<authz::PolicyChange> read_policy_file(const NewPolicy& message, const Fd& file);

} // namespace xk::privsep
