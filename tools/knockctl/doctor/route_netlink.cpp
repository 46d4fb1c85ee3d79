// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/route_netlink.h"

#include "daemon/xdp/route_messages.h"
#include "protocol/base/handle.h"

#include <vector>

namespace xk::tools {
namespace {

constexpr std::size_t kBuffer = 64 * 1024;

} // namespace

Result<void> dump(std::uint16_t type, std::uint8_t family, std::size_t header, const EachMessage& each) {
    const Handle<mnl_socket, mnl_socket_close> socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
    if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0)
        return os_error("opening a route netlink socket");
    std::vector<char> buffer(kBuffer);
    nlmsghdr* const request = mnl_nlmsg_put_header(buffer.data());
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request->nlmsg_seq = 1;
    // The family is the first byte of each of these headers.
    *static_cast<std::uint8_t*>(mnl_nlmsg_put_extra_header(request, header)) = family;
    if (mnl_socket_sendto(socket.get(), request, request->nlmsg_len) < 0)
        return os_error("asking for routes");
    struct Call {
        const EachMessage& each;
        std::size_t least; // bytes of a message
    } whole{each, header};
    const auto call = [](const nlmsghdr* message, void* to) {
        const auto* const c = static_cast<const Call*>(to);
        if (mnl_nlmsg_get_payload_len(message) >= c->least)
            c->each(message);
        return MNL_CB_OK;
    };
    for (int more = MNL_CB_OK; more != MNL_CB_STOP;) {
        const ssize_t n = mnl_socket_recvfrom(socket.get(), buffer.data(), buffer.size());
        if (n < 0)
            return os_error("listing routes");
        more = xdp::read_list({buffer.data(), static_cast<std::size_t>(n)}, 1, mnl_socket_get_portid(socket.get()),
                              call, &whole);
        if (more < 0 && errno == EINTR) // something changed meanwhile: what there is will do
            continue;
        if (more < 0)
            return os_error("listing routes");
    }
    return {};
}

Attributes attributes_of(const nlmsghdr* message, std::size_t header) {
    Attributes attributes;
    mnl_attr_parse(
        message, static_cast<unsigned>(header),
        [](const nlattr* attribute, void* to) {
            (*static_cast<Attributes*>(to))[mnl_attr_get_type(attribute)] = attribute;
            return MNL_CB_OK;
        },
        &attributes);
    return attributes;
}

std::optional<std::uint32_t> number(const Attributes& attributes, std::uint16_t type) {
    const auto found = attributes.find(type);
    return found == attributes.end() ? std::nullopt : xdp::number_of<std::uint32_t>(found->second);
}

} // namespace xk::tools
