// SPDX-License-Identifier: MIT
//
// WorkerGrants is the GrantPort over the tables of grants and bans. It keeps the tickets of requests that wait for a
// common transaction, and the timer for that transaction.
#pragma once

#include "daemon/bans/bans.h"
#include "daemon/grants/grants.h"
#include "daemon/lifecycle/panic.h"
#include "daemon/monitor/ports.h"
#include "protocol/base/fd.h"

#include <functional>
#include <set>
#include <vector>

namespace xk {

class WorkerGrants : public GrantPort {
  public:
    WorkerGrants(Grants& grants, const Bans& bans, const Panic& panic,
                 std::function<std::set<Address>()> own_addresses);
    WorkerGrants(const WorkerGrants&) = delete; // `grants` points to it after begin()
    WorkerGrants& operator=(const WorkerGrants&) = delete;

    // Makes the timer. `on_committed` gets each ticket that waited, and whether its transaction succeeded.
    Result<void> begin(std::function<void(Ticket, bool)> on_committed);
    int timer_fd() const { return timer_.get(); }
    void on_timer();

    GrantReply open_grant(const authz::GrantRequest& request, Ticket ticket, const Now& now) override;
    GrantReply close_grant(const authz::GrantRequest& request, const Now& now) override;
    GrantReply close_all(std::uint32_t credential, const Now& now) override;
    bool any_waiting() const override { return grants_.any_waiting(); }
    void settle(const Now& now) override;

  private:
    Grants& grants_;
    const Bans& bans_;
    const Panic& panic_;
    std::function<std::set<Address>()> own_addresses_;
    Fd timer_;
    std::vector<Ticket> waiting_;
};

} // namespace xk
