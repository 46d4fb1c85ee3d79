// SPDX-License-Identifier: MIT
//
// Network: three hosts in namespaces of their own, a client, this host and one behind it, which forwards nothing
// itself.
//
//   client 192.0.2.2, 192.0.2.3, 2001:db8:2::2 -- here 192.0.2.1, 2001:db8:2::1
//                                                 here 198.51.100.1, 2001:db8:7::1 -- behind 198.51.100.7,
//                                                 2001:db8:7::7
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/fd.h"

#include <cstdint>
#include <functional>

namespace xk::test {

class Network {
  public:
    // The test is at "here" from then on.
    Network();

    enum Host { client, here, behind };
    // Listens on all addresses of the host, both families, and never accepts: the kernel completes the handshakes.
    Fd listen_tcp(Host host, std::uint16_t port) const;

    // A connection from the client; nothing where it is refused, or not there after a while. `patience`: milliseconds.
    Fd connect_tcp(const char* source, const char* target, std::uint16_t port, int patience) const;
    bool is_open(const char* source, const char* target, std::uint16_t port) const {
        return static_cast<bool>(connect_tcp(source, target, port, 5000));
    }
    // Nobody reports a dropped packet, so this waits a moment.
    bool is_shut(const char* source, const char* target, std::uint16_t port) const {
        return !connect_tcp(source, target, port, 150);
    }

    void in(Host host, const std::function<void()>& act) const;

  private:
    Fd hosts_[3];
};

} // namespace xk::test
