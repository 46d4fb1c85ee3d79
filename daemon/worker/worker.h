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
#include "daemon/privsep/request_table.h"
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
    class GrantRequests; // authz::Firewall by asking xknockd

    // A configuration that is being handed over: what it changes of the one that is judged by.
    struct Pending {
        std::uint32_t generation;
        std::uint32_t base; // 0: of none
        authz::PolicyChange change;
        Secret<CredentialKeys> keys; // by index of change.changed
        Secret<authz::FactorSecret> factors;
        privsep::SecretsRead report;

        // With a key of zeros anybody could knock: it goes live only when each credential has had its own.
        bool is_whole() const { return report.next == change.changed.size(); }
    };

    Worker(privsep::Channel channel, xdp::Ring ring, Fd state_file, authz::State state, Fd timer);

    // Comes while we wait for something else, and waits its turn; but for what depends on nothing before it and may
    // come in any number (Rule::at_once), which counts at once.
    Result<void> put_off(privsep::Received received);
    Result<void> admit(const privsep::Received& received);
    Result<void> handle(privsep::Received received);

    // The worker's handlers of the request table; handle() has looked at type, size, descriptors and phase.
    Result<void> handle_ban(privsep::Received& received);
    Result<void> handle_unban(privsep::Received& received);
    Result<void> handle_panic(privsep::Received& received);
    Result<void> handle_committed(privsep::Received& received);
    Result<void> handle_new_policy(privsep::Received& received);
    Result<void> handle_secrets(privsep::Received& received);
    Result<void> handle_activate(privsep::Received& received);
    Result<void> handle_unlock(privsep::Received& received);
    Result<void> handle_accept_clock(privsep::Received& received);
    Result<void> handle_raise_horizon(privsep::Received& received);
    Result<void> handle_ping(privsep::Received& received);
    Result<void> handle_reply(privsep::Received& received);
    static const privsep::Handler<Worker> kHandlers[12];

    bool read_secrets(std::uint32_t index, std::span<const Fd> files, std::uint32_t bit);

    // Tells xknockd. While there is no room it listens: xknockd may be waiting for us to read.
    template <typename M>
    Result<void> say(const M& message) {
        if (auto room = wait_for_room(); !room)
            return room;
        auto sent = privsep::send(channel_, message);
        if (sent)
            conversation_.was_sent(M::kType);
        return sent;
    }
    Result<void> wait_for_room();

    void judge(const authz::Record& record);
    // `pinholes` made the outcome's last request.
    void conclude(const authz::Outcome& outcome, const GrantRequests& pinholes, const Now& now);
    void ask_again();
    // Refuses knocks whose admission did not answer.
    void end_overdue();
    void log_outcome(const authz::Outcome& outcome, const Now& now);

    // Tags for the filter: all of them, those of slots that came near, or those of the places in `changed`.
    Result<void> publish(const Now& now, privsep::TagScope scope, std::span<const std::uint32_t> changed = {});
    Result<void> follow_clock(bool was_set);
    bool clock_is_credible(const Now& now) const;
    // Before anything is judged by this clock.
    void look_at_clock(const Now& now);
    std::chrono::seconds skew() const { return judge_ ? judge_->policy().settings.skew : first_skew_; }
    // What could not be told when it happened.
    void tell_the_rest();

    privsep::Channel channel_;
    privsep::Conversation conversation_{privsep::Side::worker, privsep::Phase::hand_over};
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
    // Accepted and not done yet, by the sequence of their own request: their place in State::asked().
    std::map<std::uint32_t, std::uint32_t> undone_;
    bool asked_again_ = false; // for what a worker before us did not see done
    std::uint64_t malformed_told_ = 0, unknown_told_ = 0;
    std::deque<privsep::Received> waiting_; // came while we waited
};

} // namespace xk::worker
