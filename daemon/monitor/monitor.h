// SPDX-License-Identifier: MIT
//
// Monitor: the privileged half of the exchange with the worker, like the monitor of OpenSSH's sshd. It owns the child
// and its channel and checks each message against the request table first. It hands configurations over, publishes tags
// and passes requests for grants on. It gives the worker up when it hangs, ends or sends what it must not. There is one
// worker and one thread. Nothing here opens a port or reads a packet.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/authz/log_budget.h"
#include "daemon/config/config.h"
#include "daemon/monitor/places.h"
#include "daemon/monitor/ports.h"
#include "daemon/monitor/set_up.h"
#include "daemon/monitor/tag_publication.h"
#include "daemon/privsep/request_table.h"
#include "daemon/privsep/spawn.h"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace xk {

class Monitor {
  public:
    struct World {
        TagPort& tags;
        StepPort& steps;
        AnswerPort& answers;
        GrantPort& grants;
        MonitorOwner& owner;
        authz::EventSink& events;
    };
    struct Settings {
        std::chrono::milliseconds patience{10'000};             // how long to wait for an answer of the worker
        std::uint32_t most_unanswered = 10;                     // pings; with more of them the worker hangs
        std::chrono::nanoseconds settled_after = kSettledAfter; // the age of a file with a secret (secret_stamp.h)
    };
    // `worker` has been set up by set_up_worker(). The parts of `world` must outlive this object.
    Monitor(privsep::Child worker, World world, Settings settings);

    // For the loop, and for messages without an answer.
    const privsep::Channel& channel() const { return worker_.channel; }
    pid_t pid() const { return worker_.pid; }

    // A configuration is handed over in three steps. First: the worker gets the differences from the configuration that
    // counts, reads the secrets of the credentials that differ, and still judges by the old configuration. Credentials
    // whose secrets are bad are disabled in `next`; `may_disable` may refuse that. After an error the old configuration
    // counts unchanged, and the next hand_over() begins from the start.
    using Check = std::function<Result<void>(const config::Config& next)>;
    Result<void> hand_over(config::Config& next, const Check& may_disable) {
        return hand_over_of(next, may_disable, nullptr);
    }
    // The same for a configuration that differs from the one that counts in these users alone.
    Result<void> hand_over_users(config::Config& next, const Check& may_disable, const std::set<std::string>& users) {
        return hand_over_of(next, may_disable, &users);
    }
    // Second: commit() makes the configuration that was handed over last count in xknockd. Third: activate() lets the
    // worker judge by it. Nothing may wait for the worker between the two. If activate() fails, the worker is given up.
    void commit(std::shared_ptr<const config::Config> handed_over);
    Result<void> activate();

    // Waits until all tags of the configuration that counts have been published once.
    Result<void> wait_for_tags();
    // When this returns, the worker refuses knocks that were made before now + skew, as after a boot.
    Result<void> raise_horizon();
    Result<void> set_panic(bool on);
    Result<void> unlock(const wire::CredentialId& credential); // the worker forgets its wrong codes
    Result<void> accept_clock();

    // Reads and handles the worker's messages for a few milliseconds, so that a worker that sends without a pause does
    // not block the loop.
    void on_readable();
    // Call it on SIGCHLD.
    void on_child();
    // Call it once a second: it pings the worker. Returns false while three or more pings have no answer. Then
    // systemd's watchdog must get no message.
    bool on_tick();
    // The request with this ticket, whose answer was `waiting`, is committed. Where `done` is false it has failed.
    void on_committed(GrantPort::Ticket ticket, bool done);
    // Closes the channel, which ends the worker, and waits for its end for at most three seconds.
    void stop();

    bool clock_is_wrong() const { return clock_is_wrong_; }
    // By place: true where the credential is disabled, or where the place has none. Places beyond the end have none.
    std::vector<bool> disabled_places() const;
    // The places that the last commit() changed or emptied.
    const std::set<std::uint32_t>& changed_places() const { return changed_places_; }
    // The number of credentials whose secrets the worker read in the last hand-over.
    std::size_t handed_over() const { return handed_over_count_; }

  private:
    struct BadSecrets { // secrets of the configuration that is handed over
        std::uint32_t index;
        Error error;
    };
    Result<void> hand_over_of(config::Config& next, const Check& may_disable, const std::set<std::string>* users);
    Places::Plan plan(const config::Config& next, const std::set<std::string>* users) const;
    Result<std::vector<BadSecrets>> hand_over_once(const config::Config& next, const std::set<std::string>* users);
    Result<privsep::SecretsRead> hand_over_secrets(const config::Config& next, std::uint32_t first,
                                                   std::vector<BadSecrets>& bad);
    Result<privsep::SecretsRead> wait_for_secrets_read(std::uint32_t next);

    template <typename M>
    Result<void> send_message(const M& message, std::span<const int> fds = {}) {
        auto sent = privsep::send(worker_.channel, message, fds);
        if (sent)
            conversation_.on_sent(M::kType);
        return sent;
    }
    // Handles the worker's messages up to the first one of this type, and returns that one.
    Result<privsep::Received> wait_for(privsep::Type type);
    Result<void> dispatch(privsep::Received& received);
    void end(Error error);

    // The handlers of the request table. dispatch() has checked type, size, descriptors, phase and budget.
    Result<void> handle_secrets_read(privsep::Received& received);
    Result<void> handle_horizon_raised(privsep::Received& received);
    Result<void> handle_pong(privsep::Received& received);
    Result<void> handle_tags(privsep::Received& received);
    Result<void> handle_steps(privsep::Received& received);
    Result<void> handle_request(privsep::Received& received);
    Result<void> handle_notice(privsep::Received& received);
    Result<void> handle_outcome(privsep::Received& received);
    Result<void> handle_suppressed(privsep::Received& received);
    Result<void> handle_hellos(privsep::Received& received);
    Result<void> handle_answer_hello(privsep::Received& received);
    static const privsep::Handler<Monitor> kHandlers[11];

    Result<bool> counts(std::uint32_t generation, std::uint32_t place) const;

    void note_refusal(const privsep::RequestGrant& message, const privsep::CheckedRequest& asked,
                      const GrantReply& reply, const Now& now);
    Result<void> emit(const std::optional<std::vector<authz::Event>>& events);

    privsep::Child worker_;
    World world_;
    Settings settings_;
    privsep::Conversation conversation_{privsep::Side::xknockd, privsep::Phase::hand_over};
    std::shared_ptr<const config::Config> config_; // the one that counts
    std::uint32_t generation_ = 0;                 // of config_
    std::uint32_t last_generation_ = 0;            // of the last hand-over, also if that does not count
    Places places_;                                // of config_
    std::optional<Places::Plan> plan_;             // of the last hand-over, while it does not count yet
    std::set<std::uint32_t> changed_places_;
    std::size_t handed_over_count_ = 0;
    TagPublication publication_;
    std::map<GrantPort::Ticket, std::uint32_t> waiting_; // the worker's own number of each request that waits
    GrantPort::Ticket last_ticket_ = 0;
    std::uint32_t ping_ = 0, pong_ = 0; // the last numbers
    bool clock_is_wrong_ = false;
    bool has_ended_ = false;
    authz::LogBudget refusal_log_;
    // The last request, if it was refused because the worker still judged by the earlier configuration. The Outcome
    // that follows gets this reason.
    std::optional<std::pair<wire::CredentialId, Address>> outdated_;
};

} // namespace xk
