// SPDX-License-Identifier: MIT
//
// Reads the kernel's lists of rtnetlink(7). mnl_cb_run(3) takes a list that failed half way for a whole one, because it
// ignores the code in NLMSG_DONE, and it does not know how long the fixed head of a message has to be.
#pragma once

#include <libmnl/libmnl.h>

#include <cerrno>
#include <span>

namespace xk::xdp {

// Calls `each` for each message of the datagram, as mnl_cb_run(3) does. If the list failed, or ends without its code,
// the result is MNL_CB_ERROR with errno.
int read_list(std::span<const char> datagram, unsigned sequence, unsigned port, mnl_cb_t each, void* to);

// The fixed head of a message; null with errno EBADMSG where the message is shorter.
template <typename Head>
const Head* head_of(const nlmsghdr* message) {
    if (mnl_nlmsg_get_payload_len(message) >= sizeof(Head))
        return static_cast<const Head*>(mnl_nlmsg_get_payload(message));
    errno = EBADMSG;
    return nullptr;
}

} // namespace xk::xdp
