// SPDX-License-Identifier: MIT
//
// The operator in a line of the log.
#pragma once

#include "daemon/authz/event.h"

#include <string>

namespace xk::verbs {

// "by the operator (uid 0)"; where it is known and another one, also who logged in: "by the operator (uid 0, login uid
// 1000)". Numbers, because a name could be anything, and to look it up could wait for a network.
std::string by_operator(const authz::Operator& by);

// Of a verb whose own lines are those of a boot or a signal too: "the operator (uid 0) says \"panic\"".
void log_said(const authz::Operator& by, const std::string& words);

} // namespace xk::verbs
