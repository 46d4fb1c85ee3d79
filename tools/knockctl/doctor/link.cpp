// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/link.h"

#include "daemon/xdp/route_messages.h"
#include "protocol/base/fd.h"
#include "protocol/base/handle.h"

#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cstring>
#include <functional>
#include <memory>
#include <vector>

namespace xk::tools {
namespace {

// linux/netdev.h is newer than Debian 12's headers.
constexpr std::uint8_t kNetdevGet = 1;       // NETDEV_CMD_DEV_GET
constexpr std::uint16_t kNetdevIfindex = 1;  // NETDEV_A_DEV_IFINDEX
constexpr std::uint16_t kNetdevFeatures = 3; // NETDEV_A_DEV_XDP_FEATURES
constexpr std::uint64_t kNetdevXdpBasic = 1; // NETDEV_XDP_ACT_BASIC

using Each = std::function<void(const nlattr*)>;
int call(const nlattr* attribute, void* each) {
    (*static_cast<const Each*>(each))(attribute);
    return MNL_CB_OK;
}

// Sends one request and returns the attributes of the answer; none where the kernel refuses.
void ask(int bus, const std::function<void(nlmsghdr*)>& fill, std::size_t header, const Each& each) {
    const Handle<mnl_socket, mnl_socket_close> socket(mnl_socket_open2(bus, SOCK_CLOEXEC));
    if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0)
        return;
    std::vector<char> buffer(32 * 1024);
    nlmsghdr* const request = mnl_nlmsg_put_header(buffer.data());
    request->nlmsg_flags = NLM_F_REQUEST;
    request->nlmsg_seq = 1;
    fill(request);
    if (mnl_socket_sendto(socket.get(), request, request->nlmsg_len) < 0)
        return;
    const ssize_t n = mnl_socket_recvfrom(socket.get(), buffer.data(), buffer.size());
    if (n < static_cast<ssize_t>(sizeof(nlmsghdr)))
        return;
    const auto* const answer = reinterpret_cast<const nlmsghdr*>(buffer.data());
    if (!mnl_nlmsg_ok(answer, static_cast<int>(n)) || answer->nlmsg_type == NLMSG_ERROR)
        return;
    mnl_attr_parse(answer, static_cast<unsigned>(header), call, const_cast<Each*>(&each));
}

void generic_request(nlmsghdr* h, std::uint16_t family, std::uint8_t command) {
    h->nlmsg_type = family;
    auto* const generic = static_cast<genlmsghdr*>(mnl_nlmsg_put_extra_header(h, sizeof(genlmsghdr)));
    generic->cmd = command;
    generic->version = 1;
}

std::optional<bool> has_native_xdp(unsigned ifindex) {
    std::uint16_t family = 0;
    ask(
        NETLINK_GENERIC,
        [](nlmsghdr* h) {
            generic_request(h, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
            mnl_attr_put_strz(h, CTRL_ATTR_FAMILY_NAME, "netdev");
        },
        sizeof(genlmsghdr),
        [&](const nlattr* attribute) {
            if (mnl_attr_get_type(attribute) == CTRL_ATTR_FAMILY_ID)
                family = xdp::number_of<std::uint16_t>(attribute).value_or(0);
        });
    std::optional<bool> native;
    if (family == 0)
        return native;
    ask(
        NETLINK_GENERIC,
        [&](nlmsghdr* h) {
            generic_request(h, family, kNetdevGet);
            mnl_attr_put_u32(h, kNetdevIfindex, ifindex);
        },
        sizeof(genlmsghdr),
        [&](const nlattr* attribute) {
            if (mnl_attr_get_type(attribute) == kNetdevFeatures)
                native = (xdp::number_of<std::uint64_t>(attribute).value_or(0) & kNetdevXdpBasic) != 0;
        });
    return native;
}

bool ethtool(const std::string& interface, void* command) {
    const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strncpy(request.ifr_name, interface.c_str(), sizeof request.ifr_name - 1);
    request.ifr_data = static_cast<char*>(command);
    return fd && ::ioctl(fd.get(), SIOCETHTOOL, &request) == 0;
}

bool has_lro(const std::string& interface) {
    ethtool_value flags{};
    flags.cmd = ETHTOOL_GFLAGS;
    return ethtool(interface, &flags) && (flags.data & ETH_FLAG_LRO) != 0;
}

// Newer offloads have names only: the kernel numbers them as it likes.
bool has_feature(const std::string& interface, std::string_view name) {
    std::vector<char> answer(sizeof(ethtool_sset_info) + sizeof(__u32));
    auto* const sizes = reinterpret_cast<ethtool_sset_info*>(answer.data());
    sizes->cmd = ETHTOOL_GSSET_INFO;
    sizes->sset_mask = 1ULL << ETH_SS_FEATURES;
    if (!ethtool(interface, sizes) || sizes->sset_mask == 0)
        return false;
    const std::uint32_t count = sizes->data[0];
    std::vector<char> strings(sizeof(ethtool_gstrings) + std::size_t{count} * ETH_GSTRING_LEN);
    auto* const names = reinterpret_cast<ethtool_gstrings*>(strings.data());
    names->cmd = ETHTOOL_GSTRINGS;
    names->string_set = ETH_SS_FEATURES;
    names->len = count;
    const std::uint32_t blocks = (count + 31) / 32;
    std::vector<char> bits(sizeof(ethtool_gfeatures) + blocks * sizeof(ethtool_get_features_block));
    auto* const features = reinterpret_cast<ethtool_gfeatures*>(bits.data());
    features->cmd = ETHTOOL_GFEATURES;
    features->size = blocks;
    if (!ethtool(interface, names) || !ethtool(interface, features))
        return false;
    for (std::uint32_t i = 0; i < names->len && i < count; ++i) {
        const auto* const text = reinterpret_cast<const char*>(names->data) + std::size_t{i} * ETH_GSTRING_LEN;
        if (name == std::string_view(text, ::strnlen(text, ETH_GSTRING_LEN)))
            return (features->features[i / 32].active >> (i % 32) & 1) != 0;
    }
    return false;
}

} // namespace

std::optional<LinkState> link_state(const std::string& interface) {
    const unsigned ifindex = ::if_nametoindex(interface.c_str());
    if (ifindex == 0)
        return std::nullopt;
    LinkState state;
    state.native_xdp = has_native_xdp(ifindex);
    state.lro = has_lro(interface);
    state.gro_hw = has_feature(interface, "rx-gro-hw");
    return state;
}

} // namespace xk::tools
