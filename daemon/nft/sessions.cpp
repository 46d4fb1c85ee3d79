// SPDX-License-Identifier: MIT
#include "daemon/nft/sessions.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

namespace xk::nft {
namespace {

using Entry = Handle<nf_conntrack, nfct_destroy>;

Address address_of(const nf_conntrack* entry, nf_conntrack_attr v4, nf_conntrack_attr v6) {
    Address address;
    if (nfct_attr_is_set(entry, v4) > 0) {
        Bytes<4> bytes;
        const std::uint32_t network = nfct_get_attr_u32(entry, v4);
        std::memcpy(bytes.data(), &network, bytes.size());
        return Address::v4(bytes);
    }
    if (nfct_attr_is_set(entry, v6) > 0)
        std::memcpy(address.bytes.data(), nfct_get_attr(entry, v6), address.bytes.size());
    return address;
}

// Both ways to look at it.
std::pair<Session, Session> sessions_of(const nf_conntrack* entry) {
    Session there;
    there.source = address_of(entry, ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV6_SRC);
    there.asked = address_of(entry, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST);
    const auto protocol = static_cast<IpProtocol>(nfct_get_attr_u8(entry, ATTR_ORIG_L4PROTO));
    there.endpoint = {protocol, ntohs(nfct_get_attr_u16(entry, ATTR_ORIG_PORT_DST))};
    there.alive = protocol == IpProtocol::tcp
                      ? nfct_get_attr_u8(entry, ATTR_TCP_STATE) == TCP_CONNTRACK_ESTABLISHED
                      : (nfct_get_attr_u32(entry, ATTR_STATUS) & IPS_SEEN_REPLY) != 0;
    Session back = there;
    std::swap(back.source, back.asked);
    back.endpoint.port = ntohs(nfct_get_attr_u16(entry, ATTR_ORIG_PORT_SRC));
    back.reversed = true;
    return {there, back};
}

struct Review {
    const std::function<Fate(const Session&)>* fate;
    std::vector<Entry> ending;
};

int take(nf_conntrack_msg_type, nf_conntrack* entry, void* to) {
    auto* const review = static_cast<Review*>(to);
    const auto [there, back] = sessions_of(entry);
    if ((*review->fate)(there) == Fate::ends || (*review->fate)(back) == Fate::ends)
        if (nf_conntrack* const copy = nfct_clone(entry))
            review->ending.emplace_back(copy);
    return NFCT_CB_CONTINUE;
}

} // namespace

Result<Sessions> Sessions::open() {
    nfct_handle* const handle = nfct_open(CONNTRACK, 0);
    if (handle == nullptr)
        return os_error("opening connection tracking", "the kernel needs nf_conntrack_netlink");
    ::fcntl(nfct_fd(handle), F_SETFD, FD_CLOEXEC);
    return Sessions(handle);
}

Result<std::size_t> Sessions::review(const std::function<Fate(const Session&)>& fate) {
    Review review{&fate, {}};
    const std::uint32_t both = AF_UNSPEC;
    nfct_callback_register(handle_.get(), NFCT_T_ALL, take, &review);
    int done = nfct_query(handle_.get(), NFCT_Q_DUMP, &both);
    // Interrupted by a change: entries may be missing, so once more.
    for (int again = 0; done < 0 && (errno == EINTR || errno == EILSEQ) && again < 3; ++again)
        done = nfct_query(handle_.get(), NFCT_Q_DUMP, &both);
    const int failure = errno;
    nfct_callback_unregister(handle_.get());
    errno = failure;
    if (done < 0)
        return os_error("reading connection tracking", "xknockd needs CAP_NET_ADMIN");
    for (const Entry& entry : review.ending)
        if (nfct_query(handle_.get(), NFCT_Q_DESTROY, entry.get()) < 0 && errno != ENOENT)
            return os_error("ending a session in connection tracking");
    return review.ending.size();
}

} // namespace xk::nft
