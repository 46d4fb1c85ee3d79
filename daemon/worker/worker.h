// SPDX-License-Identifier: MIT
//
// The worker reads records from the ring and judges them. It begins with the rights of the process that started it. Its
// first message brings what it needs (ring, state, clock). Then it enters the sandbox, and only after that it reads
// keys and bytes that a stranger chose. It has one thread and one poll(2).
#pragma once

#include "daemon/authz/bans.h"
#include "daemon/authz/judge.h"
#include "daemon/authz/state.h"
#include "daemon/authz/tags.h"
#include "daemon/privsep/channel.h"
#include "daemon/privsep/messages.h"
#include "daemon/privsep/request_table.h"
#include "daemon/worker/outcome_reports.h"
#include "daemon/xdp/ring.h"
#include "protocol/base/result.h"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace xk::worker {

class Worker {
  public:
    // Waits for Setup on the channel, opens everything, enters the sandbox and sends Ready. Null: xknockd has closed
    // the channel, or the earlier state cannot be read.
    static Result<std::unique_ptr<Worker>> begin(privsep::Channel channel);

    // Runs until xknockd closes the channel, which is the clean end.
    Result<void> run();

  private:
    class GrantRequests; // authz::Firewall by requests to xknockd

    // A hand-over that is not activated yet: a change of the policy that the worker judges by.
    struct Pending {
        std::uint32_t generation;
        std::uint32_t base; // generation that this changes; 0: none
        authz::PolicyChange change;
        Secret<CredentialKeys> keys; // by index of change.changed
        Secret<authz::FactorSecret> factors;
        authz::LegacySecrets legacy; // likewise
        privsep::SecretsRead report;

        // Anybody could knock by a key of zeros, so each credential must have had its own.
        bool is_whole() const { return report.next == change.changed.size(); }
    };

    Worker(privsep::Channel channel, xdp::Ring ring, Fd state_file, authz::State state, Fd timer);

    // Keeps a message that arrives while the worker waits for another one. Messages with Rule::at_once are handled now:
    // they depend on no earlier message, and there may be any number of them.
    Result<void> defer_message(privsep::Received received);
    Result<void> admit(const privsep::Received& received);
    Result<void> handle(privsep::Received received);

    // The handlers of the request table. handle() has checked type, size, descriptors and phase.
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
    bool read_legacy(std::uint32_t index, const Fd& file, authz::DeviceKind kind);

    // While there is no room the worker reads, because xknockd may be waiting for that.
    template <typename M>
    Result<void> send_message(const M& message) {
        if (auto room = wait_for_room(); !room)
            return room;
        auto sent = privsep::send(channel_, message);
        if (sent)
            conversation_.on_sent(M::kType);
        return sent;
    }
    Result<void> wait_for_room();

    void judge(const authz::Record& record);
    // Reports the outcome, and remembers its grant if that is not committed yet. `pinholes` made its last request.
    void conclude(const authz::Outcome& outcome, const GrantRequests& pinholes, const Now& now);
    void repeat_requests();
    // Refuses knocks whose admission has not answered in time.
    void end_overdue();

    // Sends tags for the filter: all, those of slots that begin soon, or those of the places in `changed`.
    Result<void> publish_tags(const Now& now, privsep::TagScope scope, std::span<const std::uint32_t> changed = {});
    // Sends the tags of the next hellos of a credential that may use handshakes.
    Result<void> publish_hellos(std::uint32_t place, const Now& now);
    Result<void> publish_all_hellos(const Now& now);
    // Sends the answer to a hello, if it gets one.
    void answer_hello(const authz::Record& record, const Now& now);
    void publish_or_end(std::uint32_t place, const Now& now);
    // Sends all sequences of ports that count now or with the next slot.
    Result<void> publish_steps(const Now& now);
    // The sequences of c-lock and the places of their credentials. One that two have is not there, and is logged.
    std::map<std::vector<std::uint16_t>, std::uint32_t> clock_sequences(Slot slot);
    Result<void> follow_clock(bool was_set);
    bool clock_is_credible(const Now& now) const;
    // A jump forward raises the horizon. Call it before anything is judged by this clock.
    void check_for_clock_jump(const Now& now);
    std::chrono::seconds skew() const { return judge_ ? judge_->policy().settings.skew : first_skew_; }
    // Logs records that the ring refused.
    void log_suppressed();

    privsep::Channel channel_;
    privsep::Conversation conversation_{privsep::Side::worker, privsep::Phase::hand_over};
    xdp::Ring ring_;
    Fd state_file_; // holds the lock that marks this process as the worker
    authz::State state_;
    Fd timer_;
    authz::BanList bans_;
    bool in_panic_ = false;
    std::unique_ptr<authz::Judge> judge_;
    std::optional<Pending> pending_;
    std::uint32_t generation_ = 0;
    authz::SlotRange published_{};
    BootTime hellos_renewed_{};        // all of them
    bool has_published_steps_ = false; // the last publication had some
    // Places whose shared sequences were logged, and the last slot of that.
    std::map<std::vector<std::uint32_t>, Slot> told_shared_;
    bool clock_reported_wrong_ = false;
    WallTime earliest_{};
    std::chrono::seconds first_skew_ = wire::kDefaultSkew; // while no configuration counts
    OutcomeReports reports_{[this](ByteView message) {
        const auto sent = channel_.try_send(message);
        return sent && *sent;
    }};
    std::uint32_t sequence_ = 0;
    // Accepted requests that xknockd has not committed yet: their place in State::asked(), by their sequence.
    std::map<std::uint32_t, std::uint32_t> undone_;
    bool has_repeated_requests_ = false; // those of an earlier worker
    std::uint64_t malformed_told_ = 0, unknown_told_ = 0;
    std::deque<privsep::Received> waiting_; // deferred messages
};

} // namespace xk::worker
