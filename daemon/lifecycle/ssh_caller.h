// SPDX-License-Identifier: MIT
//
// SshCaller is the ssh session in which the operator runs a command of ours.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/tcp_session.h"

#include <optional>
#include <vector>

namespace xk {

// Returns the established TCP sessions of this network namespace, from /proc/net.
std::vector<TcpSession> tcp_sessions();

struct SshCaller {
    std::optional<Address> client;     // the peer of the ssh session that started us
    std::optional<TcpSession> session; // that session, if it is still established
};

// Reads our environment, and those of our parents, because sudo(8) clears the environment. Only root may read those of
// the parents. Empty where the session began in another network namespace, because this gate shuts no ports there.
SshCaller ssh_caller();

} // namespace xk
