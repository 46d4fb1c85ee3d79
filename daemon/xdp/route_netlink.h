// SPDX-License-Identifier: MIT
//
// rtnetlink(7): sockets, requests with all their answers, and notifications. `what` says in an error what was tried.
#pragma once

#include "protocol/base/handle.h"
#include "protocol/base/result.h"

#include <libmnl/libmnl.h>

#include <cstdint>
#include <functional>
#include <initializer_list>

namespace xk::xdp {

using RouteSocket = Handle<mnl_socket, mnl_socket_close>;

// A socket that hears of changes in these groups (RTNLGRP_*).
Result<RouteSocket> open_route_socket(std::initializer_list<int> groups, const char* what);

struct RouteRequest {
    std::uint16_t type = 0; // RTM_GET...
    bool all = true;        // a dump; else the one thing that the header names
};
using TakeMessage = std::function<void(const nlmsghdr*)>;

// Asks with a header of this type's family and hands each answer over. Each begins with such a header: a shorter one is
// an error. False: something changed meanwhile (NLM_F_DUMP_INTR), so that an answer may be missing.
Result<bool> ask_route(const RouteRequest& request, const void* header, std::size_t size, const char* what,
                       const TakeMessage& take);
template <typename Header>
Result<bool> ask_route(const RouteRequest& request, const Header& header, const char* what, const TakeMessage& take) {
    return ask_route(request, &header, sizeof header, what, take);
}

// Takes the notifications that are there, without a look at them: the caller asks again for everything. True if there
// were any, also where they were lost (ENOBUFS).
Result<bool> take_notifications(const mnl_socket* socket, const char* what);

} // namespace xk::xdp
