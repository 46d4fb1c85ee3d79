// SPDX-License-Identifier: MIT
//
// SshCaller: the ssh session in which somebody types a command of ours.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/tcp_session.h"

#include <optional>
#include <vector>

namespace xk {

// The established sessions of this network namespace, from /proc/net.
std::vector<TcpSession> tcp_sessions();

struct SshCaller {
    std::optional<Address> client;     // the peer of the ssh session that started us
    std::optional<TcpSession> session; // that session, if it is still established
};

// Reads the environment, and where sudo(8) has cleared it the environment of our parents, which only root may read.
// Empty where the session began in another network namespace, because this gate does not shut that one.
SshCaller ssh_caller();

} // namespace xk
