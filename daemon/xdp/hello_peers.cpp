// SPDX-License-Identifier: MIT
#include "daemon/xdp/hello_peers.h"

#include "daemon/xdp/abi_values.h"
#include "daemon/xdp/filter.h"
#include "daemon/xdp/map_access.h"

namespace xk::xdp {

bool take_peer(Filter& filter, const Address& source, const Address& destination, std::uint16_t port, BootTime now) {
    xk_peer peer{};
    peer.source = abi(source);
    peer.destination = abi(destination);
    peer.source_port = port;
    const int fd = filter.map_fd(Map::hello_peers);
    std::uint64_t arrived = 0;
    // A look-up and then a removal, because LRU maps have no call for both (Linux 5.14 has one for hash maps alone).
    if (bpf_map_lookup_elem(fd, &peer, &arrived) != 0 || bpf_map_delete_elem(fd, &peer) != 0)
        return false;
    return boot_time(arrived) <= now && now - boot_time(arrived) <= kPeerLife;
}

} // namespace xk::xdp
