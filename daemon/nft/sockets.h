// SPDX-License-Identifier: MIT
//
// TCP sockets of this host (sock_diag(7)): also of sessions that connection tracking does not know, because they began
// before it was there. The kernel can end one at once (SOCK_DESTROY, Linux 4.5 with CONFIG_INET_DIAG_DESTROY): the
// program gets ECONNABORTED, the other end a reset, and nothing revives it.
#pragma once

#include "daemon/nft/sessions.h"

#include <linux/inet_diag.h>

#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace xk::nft {

class Sockets {
  public:
    // The kernel's. CAP_NET_ADMIN over the network namespace is needed for end().
    static Result<std::unique_ptr<Sockets>> open();
    virtual ~Sockets() = default;

    // Whether this kernel ends sockets.
    virtual bool can_end() const = 0;

    struct Socket {
        Session session;     // as connection tracking would see it: `there` is from the other end to us
        inet_diag_sockid id; // with the kernel's cookie: a later socket of the same ports is another one
        std::uint8_t family;
    };
    struct List {
        std::vector<Socket> sockets;       // in a session
        std::set<std::uint16_t> listening; // ports
        // The ports that the kernel gives to whoever connects without one of their own, first and last
        // (net.ipv4.ip_local_port_range).
        std::pair<unsigned, unsigned> ephemeral{32768, 60999};
    };
    virtual Result<List> list() = 0;
    // False: it ended by itself meanwhile.
    virtual Result<bool> end(const Socket& socket) = 0;
};

} // namespace xk::nft
