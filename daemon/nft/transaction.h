// SPDX-License-Identifier: MIT
//
// nf_tables over netlink, without knowing what the messages say: Transaction gathers messages, Socket
// commits them as one (all or nothing, by the kernel's own transaction) or dumps objects.
//
// What is sent here is made so that it cannot fail: an aborted batch costs the kernel 8 to 16 ms, so a
// refusal is an Error, not a way to ask. All calls block until the kernel has answered (microseconds),
// at most five seconds.
#pragma once

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

    // Appends one message: type is NFT_MSG_*, flags besides NLM_F_REQUEST (NLM_F_CREATE, ...). `fill` puts
    // the payload behind the header with a libnftnl *_nlmsg_build_payload function; it has 32 KiB.
    void add(std::uint16_t type, std::uint16_t flags, const std::function<void(nlmsghdr*)>& fill);

    // Hands each message that was added to `look`, in their order.
    void for_each_message(const std::function<void(const nlmsghdr*)>& look) const;

    bool empty() const { return messages_ == 0; }
    std::size_t size() const { return messages_; }

  private:
    friend class Socket;
    nlmsghdr* next(std::uint16_t type, std::uint16_t family, std::uint16_t flags);
    void finish();

    std::unique_ptr<char[]> buffer_; // not cleared: what is written is written whole
    std::size_t size_ = 0;
    std::size_t used_ = 0;
    std::size_t last_ = 0; // offset of the last message
    std::uint32_t sequence_ = 1;
    std::size_t messages_ = 0;
};

class Socket final : public Sets {
  public:
    // CAP_NET_ADMIN over the network namespace is needed for commit(), and for dump() of nf_tables.
    static Result<Socket> open();
    // One that an earlier process of ours had; not a netfilter netlink socket: nothing.
    static std::optional<Socket> adopt(Fd fd);
    // For a dry run: every commit succeeds and changes nothing, and there is nothing to dump. The kernel is not asked.
    static Socket dry() { return Socket(nullptr); }

    int fd() const { return socket_ ? mnl_socket_get_fd(socket_.get()) : -1; }

    // The netlink port that our changes come from.
    std::uint32_t port() const { return socket_ ? mnl_socket_get_portid(socket_.get()) : 0; }

    Result<void> commit(Transaction&& transaction) override;
    Result<std::vector<Element>> list(const SetName& set) override;

    // Sends a dump request for inet objects and hands each answer to `each`; `fill` as above (may be
    // empty). ENOENT (no such table or set) is an empty dump.
    Result<void> dump(std::uint16_t type, const std::function<void(nlmsghdr*)>& fill,
                      const std::function<void(const nlmsghdr*)>& each);

  private:
    explicit Socket(mnl_socket* socket) : socket_(socket) {}
    Result<void> send(const void* data, std::size_t size);
    // The messages of one dump; false when it was interrupted by a change and may lack something.
    Result<bool> dump_once(std::uint16_t type, const std::function<void(nlmsghdr*)>& fill,
                           std::vector<std::string>& pieces);

    Handle<mnl_socket, mnl_socket_close> socket_;
    std::uint32_t sequence_ = 1;
};

} // namespace xk::nft
