// SPDX-License-Identifier: MIT
//
// TCP sockets of this host (sock_diag(7)): also of sessions that connection tracking does not know, because they began
// before it was there. The kernel can end one at once (SOCK_DESTROY, Linux 4.5 with CONFIG_INET_DIAG_DESTROY): the
// program gets ECONNABORTED, the other end a reset, and nothing revives it.
#pragma once

#include "daemon/nft/sessions.h"

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>

#include <set>
#include <vector>

namespace xk::nft {

class Sockets {
  public:
    // CAP_NET_ADMIN over the network namespace is needed for end().
    static Result<Sockets> open();

    // Whether this kernel ends sockets; asked once, with a socket that nobody has.
    bool can_end() const { return can_end_; }

    struct Socket {
        Session session;     // as connection tracking would see it: `there` is from the other end to us
        inet_diag_sockid id; // with the kernel's cookie: a later socket of the same ports is another one
        std::uint8_t family;
    };
    struct List {
        std::vector<Socket> sockets;       // in a session
        std::set<std::uint16_t> listening; // ports
    };
    Result<List> list();
    // False: it ended by itself meanwhile.
    Result<bool> end(const Socket& socket);

  private:
    explicit Sockets(mnl_socket* socket) : socket_(socket) {}
    Result<void> list(std::uint8_t family, List& to);
    Result<int> ask(std::uint16_t type, std::uint16_t flags, const inet_diag_req_v2& request,
                    const std::function<void(const inet_diag_msg&)>& each);

    Handle<mnl_socket, mnl_socket_close> socket_;
    std::uint32_t sequence_ = 0;
    bool can_end_ = false;
};

} // namespace xk::nft
