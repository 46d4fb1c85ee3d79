// SPDX-License-Identifier: MIT
//
// OutcomeReports: sends xknockd the result of each knock, within a budget. A flood of knocks that are refused costs
// xknockd a fixed number of messages in a second, and judgement nothing but a look at the budget:
//   - Each source may have a few reports at once and one in a second after that; all sources together have a larger
//     budget. Refused and accepted knocks have budgets apart, so that the refusals of one source do not hide the knocks
//     of others. Locks have a third one.
//   - The worker never waits to send a report: if the socket has no room, the report is left out.
//   - No more than kUnread (and a few locks) are on their way until xknockd shows that it reads, so that they never
//     take the room that a request for a grant would have to wait for. (The kernel calls a socket writable while no
//     more than a quarter of its buffer is unread; each of these messages takes about 1 KiB of that, of 208 KiB.)
// Outcomes that are left out are counted, and the numbers are sent at most every ten seconds.
#pragma once

#include "daemon/authz/judge.h"
#include "daemon/privsep/budget.h"
#include "daemon/privsep/messages.h"
#include "protocol/base/address.h"

#include <functional>
#include <map>

namespace xk::worker {

// Refusals, and accepted knocks, of all sources together: at once, and in a second after that.
inline constexpr std::uint32_t kReportsAtOnce = 64, kReportsPerSecond = 16;
// Of one source: one address of IPv4, one network of 64 bits of IPv6.
inline constexpr std::uint32_t kReportsOfSourceAtOnce = 4, kReportsOfSourcePerSecond = 1;
inline constexpr std::size_t kMostSources = 256;   // with a budget of their own; further ones share one
inline constexpr std::uint32_t kUnread = 24;       // messages on their way,
inline constexpr std::uint32_t kMoreForLocks = 12; // and beside them locks: each has its line in the log
inline constexpr std::chrono::seconds kSuppressedGap{10};

class OutcomeReports {
  public:
    // Sends the bytes of one message; false where there is no room. It must not wait.
    using TrySend = std::function<bool(ByteView message)>;
    explicit OutcomeReports(TrySend try_send) : try_send_(std::move(try_send)) {}

    // `credential`: null where the credential is not known.
    void report(const authz::Outcome& outcome, const authz::Credential* credential, BootTime now);
    // xknockd reads: it has answered a request, or has sent a Ping.
    void on_sign_of_reading() { unread_ = 0; }
    // Call it on each Ping. It sends the numbers of outcomes that were left out, if that is due.
    void report_suppressed(BootTime now);

  private:
    // The budgets of one kind of outcome.
    struct Budgets {
        privsep::Budget all{kReportsAtOnce, kReportsPerSecond};
        privsep::Budget further_sources{kReportsOfSourceAtOnce, kReportsOfSourcePerSecond};
        std::map<Address, std::pair<privsep::Budget, BootTime>> sources; // and when each was last seen
        BootTime cleared{};
        std::uint64_t suppressed = 0;

        bool try_spend(const Address& source, BootTime now);
        privsep::Budget& of_source(const Address& source, BootTime now);
    };

    bool send(ByteView message);

    TrySend try_send_;
    Budgets refused_, accepted_;
    privsep::Budget locks_{kReportsAtOnce, kReportsPerSecond}; // a lock is reported whatever else its source did
    std::uint32_t unread_ = 0;
    BootTime suppressed_sent_ = BootTime::min();
};

// The message for an outcome.
privsep::Outcome message_of(const authz::Outcome& outcome, const authz::Credential* credential);

} // namespace xk::worker
