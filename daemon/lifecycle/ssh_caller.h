// SPDX-License-Identifier: MIT
//
// The ssh session in which somebody types a command of ours.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/tcp_session.h"

#include <optional>
#include <vector>

namespace xk {

// Those of this network namespace that stand, by /proc/net.
std::vector<TcpSession> tcp_sessions();

struct SshCaller {
    std::optional<Address> client;     // whoever started us came by ssh from there
    std::optional<TcpSession> session; // by this one, which stands
};

// By the environment, or where sudo(8) took that away by our parents' (which takes root). Nobody where the session
// began in another network namespace: this gate does not shut that one.
SshCaller ssh_caller();

} // namespace xk
