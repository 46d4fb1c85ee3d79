// SPDX-License-Identifier: MIT
//
// The kernel's answers to netlink requests, as their datagrams come in. Every length is checked before it is used: an
// answer that is cut is an Error and never counts as success.
#pragma once

#include "protocol/base/result.h"

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace xk::nft {

// Whether the message ends the answer. The kernel ends a list by "done" also where it fails half way.
inline bool is_end(const nlmsghdr* message) {
    return message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR;
}

// The code that both kinds of end begin with: 0, or a negative errno value.
Result<int> code_of(const nlmsghdr* end);

// Reads one datagram of sock_diag's answer to the request with this sequence number, and calls `visit` for each socket.
// Messages of other requests are skipped. The result is the code that ended the answer, or nothing if it goes on. The
// data must be aligned for nlmsghdr.
Result<std::optional<int>> read_sockets(std::span<const char> data, std::uint32_t sequence,
                                        const std::function<void(const inet_diag_msg&)>& visit);

} // namespace xk::nft
