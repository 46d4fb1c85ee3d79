// SPDX-License-Identifier: MIT
//
// Watch: notices when somebody else changes a table, by the netlink group NFNLGRP_NFTABLES. The kernel tells of every
// transaction, object by object, and then who made it (NFT_MSG_NEWGEN; Linux 4.14).
#pragma once

#include "protocol/base/handle.h"
#include "protocol/base/result.h"

#include <libmnl/libmnl.h>

#include <cstdint>
#include <optional>
#include <string>

namespace xk::nft {

// What was done to the table since the last time.
struct Change {
    bool objects = false;  // table, chain, rule or set: made, changed or deleted
    bool elements = false; // of a set
    bool lost = false;     // there was more than the socket holds: anything may have happened
    std::string by;        // "nft (pid 123)"; empty where the kernel did not tell
};

class Watch {
  public:
    // Of table `table`, family inet. What comes from the netlink port `own` is not told of.
    static Result<Watch> open(const std::string& table, std::uint32_t own);

    int poll_fd() const { return mnl_socket_get_fd(socket_.get()); }

    // Reads what is there. Nothing when it does not concern the table.
    Result<std::optional<Change>> update();

  private:
    Watch(mnl_socket* socket, std::string table, std::uint32_t own)
        : socket_(socket), table_(std::move(table)), own_(own) {}
    void take(const nlmsghdr* message);

    Handle<mnl_socket, mnl_socket_close> socket_;
    std::string table_;
    std::uint32_t own_;
    Change change_;
    bool in_transaction_ = false; // something of the table's, and not yet by whom
};

} // namespace xk::nft
