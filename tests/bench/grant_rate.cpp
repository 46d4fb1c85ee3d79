// SPDX-License-Identifier: MIT
//
// xk-bench-grants: how many grants our nft layer (Transaction, put_element) puts into the ruleset's set in a second,
// beside what the kernel takes when the same messages are written straight with libmnl. One grant in a transaction, and
// a thousand. Prints lines of "what <tab> ours/s <tab> the limit/s", the best of rounds that take turns.
#include "daemon/nft/element.h"
#include "daemon/nft/ruleset.h"
#include "daemon/nft/transaction.h"

#include <arpa/inet.h>
#include <endian.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iostream>
#include <vector>

using namespace xk;

namespace {

constexpr int kRounds = 15;
constexpr unsigned kGrants = 4000, kAtOnce = 1000;
constexpr std::chrono::milliseconds kTime{3'600'000};

nft::Element grant(unsigned n) {
    nft::Element element;
    const auto byte = [&](unsigned shift) { return static_cast<std::uint8_t>(n >> shift); };
    element.key = nft::grant_key(Address::v4(10, byte(16), byte(8), byte(0)), {IpProtocol::tcp, 22});
    element.timeout = kTime;
    element.comment = "anna/laptop";
    element.data.assign(16, 7); // one holder
    return element;
}

// The same bytes without libnftnl and without a layer of ours.
class Raw {
  public:
    explicit Raw(mnl_socket* socket) : socket_(socket), buffer_(1 << 20) {}

    void begin() {
        used_ = 0;
        batch(NFNL_MSG_BATCH_BEGIN);
    }
    void put(const nft::Element& element) {
        message(NFT_MSG_NEWSETELEM, NLM_F_CREATE, element, false);
        message(NFT_MSG_DELSETELEM, 0, element, false);
        message(NFT_MSG_NEWSETELEM, NLM_F_CREATE, element, true);
    }
    bool commit() {
        last_->nlmsg_flags |= NLM_F_ACK;
        const std::uint32_t wanted = last_->nlmsg_seq;
        batch(NFNL_MSG_BATCH_END);
        char answer[8192];
        if (mnl_socket_sendto(socket_, buffer_.data(), used_) < 0 ||
            mnl_socket_recvfrom(socket_, answer, sizeof answer) <= 0)
            return false;
        const auto* const header = reinterpret_cast<const nlmsghdr*>(answer);
        return header->nlmsg_type == NLMSG_ERROR && header->nlmsg_seq == wanted &&
               static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(header))->error == 0;
    }

  private:
    nlmsghdr* head(std::uint16_t type, std::uint16_t flags, std::uint8_t family, std::uint16_t resource) {
        nlmsghdr* const h = mnl_nlmsg_put_header(buffer_.data() + used_);
        h->nlmsg_type = type;
        h->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
        h->nlmsg_seq = ++sequence_;
        auto* const g = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(h, sizeof(nfgenmsg)));
        *g = {family, NFNETLINK_V0, htons(resource)};
        return h;
    }
    void batch(std::uint16_t type) { used_ += head(type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES)->nlmsg_len; }
    void message(int type, std::uint16_t flags, const nft::Element& element, bool whole) {
        last_ = head(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), flags, NFPROTO_INET, 0);
        mnl_attr_put_strz(last_, NFTA_SET_ELEM_LIST_TABLE, nft::kTable);
        mnl_attr_put_strz(last_, NFTA_SET_ELEM_LIST_SET, "grants4");
        nlattr* const list = mnl_attr_nest_start(last_, NFTA_SET_ELEM_LIST_ELEMENTS);
        nlattr* const one = mnl_attr_nest_start(last_, NFTA_LIST_ELEM);
        nlattr* const key = mnl_attr_nest_start(last_, NFTA_SET_ELEM_KEY);
        mnl_attr_put(last_, NFTA_DATA_VALUE, element.key.size(), element.key.data());
        mnl_attr_nest_end(last_, key);
        if (type == NFT_MSG_NEWSETELEM)
            mnl_attr_put_u64(last_, NFTA_SET_ELEM_TIMEOUT, htobe64(static_cast<std::uint64_t>(kTime.count())));
        if (whole) {
            std::vector<char> data = {NFTNL_UDATA_SET_ELEM_COMMENT, static_cast<char>(element.comment.size() + 1)};
            data.insert(data.end(), element.comment.c_str(), element.comment.c_str() + element.comment.size() + 1);
            data.insert(data.end(), {0x78, static_cast<char>(element.data.size())});
            data.insert(data.end(), element.data.begin(), element.data.end());
            mnl_attr_put(last_, NFTA_SET_ELEM_USERDATA, data.size(), data.data());
        }
        mnl_attr_nest_end(last_, one);
        mnl_attr_nest_end(last_, list);
        used_ += last_->nlmsg_len;
    }

    mnl_socket* socket_;
    std::vector<char> buffer_;
    std::size_t used_ = 0;
    std::uint32_t sequence_ = 0;
    nlmsghdr* last_ = nullptr;
};

// Grants in a second; the same addresses each time, as knocks that come again.
template <typename Commit>
double rate(unsigned at_once, const Commit& commit) {
    const auto begin = std::chrono::steady_clock::now();
    for (unsigned first = 0; first < kGrants; first += at_once)
        if (!commit(first, at_once))
            return 0;
    return kGrants / std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int fail(const std::string& what) {
    std::cerr << "xk-bench-grants: " << what << "\n";
    return 1;
}

} // namespace

int main() {
    if (::unshare(CLONE_NEWNET) != 0)
        return fail("a network namespace of its own needs root");
    auto ours = nft::Socket::open_nf_tables();
    const Handle<mnl_socket, mnl_socket_close> own(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
    if (!ours || !own || mnl_socket_bind(own.get(), 0, MNL_SOCKET_AUTOPID) < 0)
        return fail("no netlink socket");
    const int size = 4 * 1024 * 1024;
    (void)::setsockopt(mnl_socket_get_fd(own.get()), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    nft::RulesetSpec ruleset;
    ruleset.protected_ports.emplace_back().ports = PortRange::of({IpProtocol::tcp, 22});
    if (auto done = nft::install_ruleset(*ours, ruleset); !done)
        return fail(done.error().message);
    Raw raw(own.get());
    for (const unsigned at_once : {1u, kAtOnce}) {
        std::vector<double> mine, limit;
        for (int round = 0; round < kRounds; ++round) {
            mine.push_back(rate(at_once, [&](unsigned first, unsigned count) {
                nft::Transaction transaction;
                for (unsigned i = 0; i < count; ++i)
                    nft::put_element(transaction, nft::SetName{nft::kTable, "grants4"}, grant(first + i));
                return static_cast<bool>(ours->commit(std::move(transaction)));
            }));
            limit.push_back(rate(at_once, [&](unsigned first, unsigned count) {
                raw.begin();
                for (unsigned i = 0; i < count; ++i)
                    raw.put(grant(first + i));
                return raw.commit();
            }));
        }
        if (std::ranges::count(mine, 0.0) + std::ranges::count(limit, 0.0) != 0)
            return fail("a transaction was refused");
        std::cout << (at_once == 1 ? "one in a transaction" : "a thousand in one") << "\t"
                  << static_cast<long>(std::ranges::max(mine)) << "\t" << static_cast<long>(std::ranges::max(limit))
                  << "\n";
    }
    return 0;
}
