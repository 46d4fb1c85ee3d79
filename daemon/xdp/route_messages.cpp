// SPDX-License-Identifier: MIT
#include "daemon/xdp/route_messages.h"

#include <iterator>

namespace xk::xdp {
namespace {

int on_nothing(const nlmsghdr*, void*) { return MNL_CB_OK; }

// NLMSG_DONE and NLMSG_ERROR begin with a code: 0, or a negative errno value.
int on_end(const nlmsghdr* message, void*) {
    const int* const code = head_of<int>(message);
    if (code == nullptr || *code == 0)
        return code == nullptr ? MNL_CB_ERROR : MNL_CB_STOP;
    errno = *code < 0 ? -*code : *code;
    return MNL_CB_ERROR;
}

} // namespace

int read_list(std::span<const char> datagram, unsigned sequence, unsigned port, mnl_cb_t each, void* to) {
    mnl_cb_t control[] = {on_nothing, on_nothing, on_end, on_end, on_nothing};
    static_assert(NLMSG_NOOP == 1 && NLMSG_ERROR == 2 && NLMSG_DONE == 3 && NLMSG_OVERRUN == 4);
    return mnl_cb_run2(datagram.data(), datagram.size(), sequence, port, each, to, control, std::size(control));
}

} // namespace xk::xdp
