// SPDX-License-Identifier: MIT
#include "daemon/nft/sessions.h"

#include "protocol/base/handle.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace xk::nft {
namespace {

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

Session session_of(const nf_conntrack* entry) {
    const auto port = [&](nf_conntrack_attr attribute) { return ntohs(nfct_get_attr_u16(entry, attribute)); };
    Session session;
    session.there = {static_cast<IpProtocol>(nfct_get_attr_u8(entry, ATTR_ORIG_L4PROTO)),
                     address_of(entry, ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV6_SRC),
                     address_of(entry, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST), port(ATTR_ORIG_PORT_SRC),
                     port(ATTR_ORIG_PORT_DST)};
    session.back = {session.there.protocol, address_of(entry, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC),
                    address_of(entry, ATTR_REPL_IPV4_DST, ATTR_REPL_IPV6_DST), port(ATTR_REPL_PORT_SRC),
                    port(ATTR_REPL_PORT_DST)};
    if (session.there.protocol == IpProtocol::tcp) {
        const std::uint8_t state = nfct_get_attr_u8(entry, ATTR_TCP_STATE);
        session.alive = state == TCP_CONNTRACK_ESTABLISHED;
        session.over = state == TCP_CONNTRACK_TIME_WAIT || state == TCP_CONNTRACK_CLOSE;
    } else {
        session.alive = (nfct_get_attr_u32(entry, ATTR_STATUS) & IPS_SEEN_REPLY) != 0;
    }
    return session;
}

constexpr int kMostReads = 4; // of a table that changes all the time

struct Search {
    const std::function<bool(const Session&)>* wanted;
    std::vector<Session> found;
};

int on_entry(nf_conntrack_msg_type, nf_conntrack* entry, void* to) {
    auto* const search = static_cast<Search*>(to);
    Session session = session_of(entry);
    if ((*search->wanted)(session)) {
        session.entry.reset(nfct_clone(entry), [](nf_conntrack* copy) { nfct_destroy(copy); });
        search->found.push_back(std::move(session));
    }
    return NFCT_CB_CONTINUE;
}

class Conntrack final : public Sessions {
  public:
    explicit Conntrack(nfct_handle* handle) : handle_(handle) {}
    Result<std::vector<Session>> find_sessions(const std::function<bool(const Session&)>& wanted) override;
    Result<void> forget_sessions(const std::vector<Session>& sessions) override;

  private:
    Handle<nfct_handle, nfct_close> handle_;
};

Result<std::vector<Session>> Conntrack::find_sessions(const std::function<bool(const Session&)>& wanted) {
    const std::uint32_t both = AF_UNSPEC;
    int done = -1;
    Search search{&wanted, {}};
    nfct_callback_register(handle_.get(), NFCT_T_ALL, on_entry, &search);
    for (int reads = 0; reads < kMostReads; ++reads) {
        search.found.clear();
        done = nfct_query(handle_.get(), NFCT_Q_DUMP, &both);
        // A change interrupted the list, and entries may be missing.
        const bool interrupted = done < 0 && (errno == EINTR || errno == EILSEQ);
        if (!interrupted)
            break;
    }
    const int failure = errno;
    nfct_callback_unregister(handle_.get());
    errno = failure;
    if (done < 0)
        return os_error("reading connection tracking", "xknockd needs CAP_NET_ADMIN");
    return std::move(search.found);
}

Result<void> Conntrack::forget_sessions(const std::vector<Session>& sessions) {
    std::size_t kept = 0;
    int failure = 0;
    for (const Session& session : sessions) {
        if (!session.entry || nfct_query(handle_.get(), NFCT_Q_DESTROY, session.entry.get()) >= 0 || errno == ENOENT)
            continue;
        failure = errno;
        ++kept;
    }
    if (kept == 0)
        return {};
    return os_error_of(failure,
                       "connection tracking still knows " + std::to_string(kept) + " of " +
                           std::to_string(sessions.size()) + " sessions that were to end",
                       failure == EPERM ? "xknockd needs CAP_NET_ADMIN" : "");
}

} // namespace

Result<std::unique_ptr<Sessions>> Sessions::open_conntrack() {
    nfct_handle* const handle = nfct_open(CONNTRACK, 0);
    if (handle == nullptr)
        return os_error("opening connection tracking", "the kernel needs nf_conntrack_netlink");
    ::fcntl(nfct_fd(handle), F_SETFD, FD_CLOEXEC);
    return std::unique_ptr<Sessions>(std::make_unique<Conntrack>(handle));
}

} // namespace xk::nft
