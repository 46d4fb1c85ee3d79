// SPDX-License-Identifier: MIT
#include "daemon/xdp/route_netlink.h"

#include "daemon/xdp/route_messages.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace xk::xdp {
namespace {

constexpr std::size_t kBuffer = 32 * 1024;

struct Taker {
    const TakeMessage* take;
    std::size_t head; // bytes that each answer begins with
};

int hand_over(const nlmsghdr* message, void* to) {
    const auto* const taker = static_cast<const Taker*>(to);
    if (mnl_nlmsg_get_payload_len(message) < taker->head) {
        errno = EBADMSG;
        return MNL_CB_ERROR;
    }
    (*taker->take)(message);
    return MNL_CB_OK;
}

} // namespace

Result<RouteSocket> open_route_socket(std::initializer_list<int> groups, const char* what) {
    RouteSocket socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
    if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) != 0)
        return os_error(what);
    for (int group : groups)
        if (mnl_socket_setsockopt(socket.get(), NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
            return os_error(what);
    return socket;
}

Result<bool> ask_route(const RouteRequest& request, const void* header, std::size_t size, const char* what,
                       const TakeMessage& take) {
    auto socket = open_route_socket({}, what);
    if (!socket)
        return socket.error();
    std::vector<char> buffer(kBuffer);
    nlmsghdr* const message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = request.type;
    message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | (request.all ? NLM_F_DUMP : NLM_F_ACK));
    std::memcpy(mnl_nlmsg_put_extra_header(message, size), header, size);
    if (mnl_socket_sendto(socket->get(), message, message->nlmsg_len) == -1)
        return os_error(what);
    const unsigned own = mnl_socket_get_portid(socket->get());
    Taker taker{&take, size};
    for (int more = MNL_CB_OK; more != MNL_CB_STOP;) { // the end of the dump, or the acknowledgement
        const ssize_t n = mnl_socket_recvfrom(socket->get(), buffer.data(), buffer.size());
        more =
            n == -1 ? MNL_CB_ERROR : read_list({buffer.data(), static_cast<std::size_t>(n)}, 0, own, hand_over, &taker);
        if (more == MNL_CB_ERROR && errno == EINTR)
            return false;
        if (more == MNL_CB_ERROR)
            return os_error(what);
    }
    return true;
}

Result<bool> take_notifications(const mnl_socket* socket, const char* what) {
    char message; // the rest of each one is cut off
    for (bool notified = false;; notified = true) {
        if (::recv(mnl_socket_get_fd(socket), &message, sizeof message, MSG_DONTWAIT) != -1)
            continue;
        if (errno == EAGAIN)
            return notified;
        if (errno != ENOBUFS)
            return os_error(what);
    }
}

} // namespace xk::xdp
