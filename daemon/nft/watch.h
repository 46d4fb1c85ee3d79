// SPDX-License-Identifier: MIT
//
// Watch: notices when somebody else changes a table, by the netlink group NFNLGRP_NFTABLES. The kernel reports every
// transaction object by object, and then who made it (NFT_MSG_NEWGEN; Linux 4.14).
#pragma once

#include "protocol/base/handle.h"
#include "protocol/base/result.h"

#include <libmnl/libmnl.h>

#include <cstdint>
#include <optional>
#include <string>

namespace xk::nft {

// The changes that others made to the table since the last time.
struct Change {
    bool objects = false;  // table, chain, rule or set: made, changed or deleted
    bool elements = false; // of a set
    bool lost = false;     // the socket could not hold all reports: anything may have happened
    std::string by;        // "nft (pid 123)", made printable; empty where the kernel did not say
};

class Watch {
  public:
    // For table `table` of family inet. Changes from the netlink port `own` are not reported.
    static Result<Watch> open_watch(const std::string& table, std::uint32_t own);

    int poll_fd() const { return mnl_socket_get_fd(socket_.get()); }

    // Reads the reports that are there; nothing where none is of the table. Waits up to 10 ms for the report of who
    // made a change.
    Result<std::optional<Change>> read_changes();

  private:
    Watch(mnl_socket* socket, std::string table, std::uint32_t own)
        : socket_(socket), table_(std::move(table)), own_(own) {}
    void on_message(const nlmsghdr* message);
    void on_end_of_transaction(const nlmsghdr* message);

    Handle<mnl_socket, mnl_socket_close> socket_;
    std::string table_;
    std::uint32_t own_;
    Change change_;
    bool in_transaction_ = false; // a change of the table was reported, and not yet who made it
};

} // namespace xk::nft
