// SPDX-License-Identifier: MIT
//
// Sockets of this network namespace that wait for packets of others, as /proc/net lists them.
#pragma once

#include "protocol/base/address.h"
#include "protocol/service.h"

#include <string>
#include <vector>

namespace xk::tools {

struct Listener {
    Endpoint endpoint;
    Address address;     // unspecified: every address; "::" takes IPv4 too unless the socket says otherwise
    bool v4 = true;      // the socket's own family
    std::string program; // the process that holds it; empty where the kernel does or it cannot be seen
};

// Listening TCP sockets and bound UDP sockets without a peer.
std::vector<Listener> list_listeners();

} // namespace xk::tools
