// SPDX-License-Identifier: MIT
//
// nf_tables over netlink, whatever the messages mean: Transaction gathers messages, Socket commits them as one (all or
// nothing, by the kernel's own transaction) or dumps objects.
//
// Transactions are made so that they cannot fail, because an aborted one costs the kernel 8 to 16 ms. So a refusal is
// an Error. Only probe.h and install_ruleset() try what the kernel may refuse. All calls block until the kernel has
// answered (microseconds), at most five seconds.
#pragma once

#include "daemon/nft/dump.h"
#include "daemon/nft/sets.h"
#include "protocol/base/fd.h"
#include "protocol/base/handle.h"
#include "protocol/base/result.h"

#include <libmnl/libmnl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace xk::nft {

class Transaction {
  public:
    Transaction();

    // Appends one message: type is NFT_MSG_*, flags besides NLM_F_REQUEST (NLM_F_CREATE, ...). `fill` puts the payload
    // behind the header with a libnftnl *_nlmsg_build_payload function; it has room for 32 KiB.
    void add(std::uint16_t type, std::uint16_t flags, const std::function<void(nlmsghdr*)>& fill);

    // The messages that were added, in their order.
    void for_each_message(const std::function<void(const nlmsghdr*)>& visit) const;

    bool empty() const { return messages_ == 0; }
    std::size_t size() const { return messages_; }

  private:
    friend class Socket;
    nlmsghdr* next(std::uint16_t type, std::uint16_t family, std::uint16_t flags);
    void finish();

    std::unique_ptr<char[]> buffer_; // not cleared: each message is written whole
    std::size_t size_ = 0;
    std::size_t used_ = 0;
    std::size_t last_ = 0; // offset of the last message
    std::uint32_t sequence_ = 1;
    std::size_t messages_ = 0;
};

class Socket final : public Sets {
  public:
    // CAP_NET_ADMIN over the network namespace is needed for commit(), and for dump() of nf_tables.
    static Result<Socket> open_nf_tables();
    // Takes over the socket of an earlier process of ours; nothing where it is no netfilter netlink socket.
    static std::optional<Socket> adopt(Fd fd);
    // For a dry run: every commit succeeds and changes nothing, and every dump is empty. The kernel gets no message.
    static Socket dry() { return Socket(nullptr); }

    int fd() const { return socket_ ? mnl_socket_get_fd(socket_.get()) : -1; }

    // The netlink port that our changes come from; Watch knows them by it.
    std::uint32_t port() const { return socket_ ? mnl_socket_get_portid(socket_.get()) : 0; }

    // "nf_tables refused a transaction": nothing of it stands. "nf_tables did not answer": it may stand or not.
    Result<void> commit(Transaction&& transaction) override;
    Result<std::vector<Element>> list_set(const SetName& set) override;

    // Requests a dump of inet objects and hands each message to `visit`, all of one moment (dump.h). `fill` as above;
    // may be empty. A table or set that does not exist gives an empty dump.
    Result<void> dump(std::uint16_t type, const std::function<void(nlmsghdr*)>& fill,
                      const std::function<void(const nlmsghdr*)>& visit);
    // The same as one value; empty for a dry run.
    Result<Dump> whole_dump(std::uint16_t type, const std::function<void(nlmsghdr*)>& fill);

  private:
    explicit Socket(mnl_socket* socket) : socket_(socket) {}
    Result<void> send(const void* data, std::size_t size);
    // Sequence numbers of the transaction's header and of its last message, which asks for an answer.
    Result<void> receive_answer(std::uint32_t first, std::uint32_t last);
    Result<Dump> request_dump(std::uint16_t type, const std::function<void(nlmsghdr*)>& fill);

    Handle<mnl_socket, mnl_socket_close> socket_;
    std::uint32_t sequence_ = 1;
};

} // namespace xk::nft
