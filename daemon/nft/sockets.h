// SPDX-License-Identifier: MIT
//
// TCP sockets of this host (sock_diag(7)), also of sessions that began before connection tracking was there. The kernel
// can end a socket at once (SOCK_DESTROY, Linux 4.5 with CONFIG_INET_DIAG_DESTROY): the program gets ECONNABORTED, the
// other end a reset, and no packet revives the session.
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
    // The kernel's. end_socket() needs CAP_NET_ADMIN over the network namespace.
    static Result<std::unique_ptr<Sockets>> open_sock_diag();
    virtual ~Sockets() = default;

    // Whether this kernel ends sockets.
    virtual bool can_end() const = 0;

    struct Socket {
        Session session;     // as connection tracking would know it: `there` is from the other end to us
        inet_diag_sockid id; // with the kernel's cookie: a later socket of the same ports is another one
        std::uint8_t family; // AF_INET, AF_INET6
    };
    struct List {
        std::vector<Socket> sockets;       // that have another end
        std::set<std::uint16_t> listening; // ports
        // First and last of the ports that the kernel gives to outgoing connections
        // (net.ipv4.ip_local_port_range).
        std::pair<unsigned, unsigned> ephemeral{32768, 60999};
    };
    // Both families. An Error means that nothing is known: sockets of either family may be there.
    virtual Result<List> list_sockets() = 0;
    // False: it ended by itself meanwhile. An Error means that it lives.
    virtual Result<bool> end_socket(const Socket& socket) = 0;
};

} // namespace xk::nft
