// SPDX-License-Identifier: MIT
//
// The worker: reads records off the ring and judges them. It begins with the rights of whoever started it,
// takes from its first message what it needs (ring, state, clock), enters the sandbox, and only then learns a
// key or reads a byte that a stranger chose. One thread, one poll(2).
#pragma once

#include "daemon/authz/bans.h"
#include "daemon/authz/judge.h"
#include "daemon/authz/log_budget.h"
#include "daemon/authz/state.h"
#include "daemon/authz/tags.h"
#include "daemon/privsep/channel.h"
#include "daemon/privsep/messages.h"
#include "daemon/xdp/ring.h"
#include "protocol/base/result.h"

#include <deque>
#include <map>
#include <memory>
#include <optional>

namespace xk::worker {

class Worker {
  public:
    // Waits for Setup on the channel, opens everything, enters the sandbox, says Ready. Null when xknockd gave up
    // before that.
    static Result<std::unique_ptr<Worker>> begin(privsep::Channel channel);

    // Until xknockd is gone, which is the clean end.
    Result<void> run();

  private:
    // A configuration that is being handed over.
    struct Pending {
        std::uint32_t generation;
        authz::Policy policy;
        Secret<CredentialKeys> keys;
        Secret<authz::FactorSecret> factors;
        privsep::SecretsRead report;

        // With a key of zeros anybody could knock: it goes live only when each credential has had its own.
        bool is_whole() const { return report.next == policy.credentials.size(); }
    };

    Worker(privsep::Channel channel, xdp::Ring ring, Fd state_file, authz::State state, Fd timer);

    // Comes while we wait for something else, and waits its turn; but for what depends on nothing before it and may
    // come in any number, which counts at once.
    Result<void> put_off(privsep::Received received);
    bool handle_at_once(const privsep::Received& received);
    Result<void> handle(privsep::Received received);
    Result<void> handle_new_policy(const privsep::NewPolicy& message, privsep::Received& received);
    Result<void> handle_secrets(const privsep::Secrets& message, privsep::Received& received);
    bool read_secrets(std::uint32_t credential, std::span<const Fd> files, std::uint32_t bit);
    Result<void> handle_activate();

    // Tells xknockd. While there is no room it listens: xknockd may be waiting for us to read.
    template <typename M>
    Result<void> say(const M& message) {
        if (auto room = wait_for_room(); !room)
            return room;
        return privsep::send(channel_, message);
    }
    Result<void> wait_for_room();

    void judge(const authz::Record& record);
    void conclude(const authz::Outcome& outcome, const Now& now);
    void ask_again();
    // Refuses knocks whose admission did not answer.
    void end_overdue();
    void log_outcome(const authz::Outcome& outcome, const Now& now);

    // Tags for the filter: all of them, or those of slots that came near.
    Result<void> publish(const Now& now, bool all);
    Result<void> follow_clock(bool was_set);
    bool clock_is_credible(const Now& now) const;
    // Before anything is judged by this clock.
    void look_at_clock(const Now& now);
    std::chrono::seconds skew() const { return judge_ ? judge_->policy().settings.skew : first_skew_; }
    // What could not be told when it happened.
    void tell_the_rest();

    class GrantRequests; // authz::Firewall by asking xknockd

    privsep::Channel channel_;
    xdp::Ring ring_;
    Fd state_file_; // holds the lock that says that we live
    authz::State state_;
    Fd timer_;
    authz::BanList bans_;
    bool in_panic_ = false;
    std::unique_ptr<authz::Judge> judge_;
    std::optional<Pending> pending_;
    std::uint32_t generation_ = 0;
    authz::SlotRange published_{};
    bool clock_reported_wrong_ = false;
    WallTime earliest_{};
    std::chrono::seconds first_skew_ = wire::kDefaultSkew; // until there is a configuration
    authz::LogBudget log_budget_;
    std::uint32_t sequence_ = 0;
    // Accepted and not done yet, by the sequence of their question: their place in State::asked().
    std::map<std::uint32_t, std::uint32_t> undone_;
    bool asked_again_ = false; // for what a worker before us did not see done
    std::uint64_t malformed_told_ = 0, unknown_told_ = 0;
    std::deque<privsep::Received> waiting_; // came while we waited
};

} // namespace xk::worker
