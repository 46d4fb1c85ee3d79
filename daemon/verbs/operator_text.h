// SPDX-License-Identifier: MIT
//
// How a log line names the operator.
#pragma once

#include "daemon/authz/event.h"

#include <string>

namespace xk::verbs {

// "by the operator (uid 0)"; where another user logged in, "by the operator (uid 0, login uid 1000)". It has numbers,
// because a name may contain anything and the look-up of a name may wait for a network.
std::string by_operator(const authz::Operator& by);

// Logs a request whose other log lines name no operator, because it also happens at boot or by a signal: "the operator
// (uid 0) says \"panic\"".
void log_request(const authz::Operator& by, const std::string& words);

} // namespace xk::verbs
