// SPDX-License-Identifier: MIT
//
// Monitor: the privileged half of the conversation with the worker, as OpenSSH's monitor is of sshd's. It owns the
// child and its channel, looks at each message by the request table before anything else does, hands configurations
// over, publishes tags, passes requests for grants on, and gives the worker up when it hangs, ends or says what it must
// not. One worker, one thread; nothing here opens a port or reads a packet.
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
#include <vector>

namespace xk {

class Monitor {
  public:
    struct World {
        TagPort& tags;
        GrantPort& grants;
        MonitorOwner& owner;
        authz::EventSink& events;
    };
    struct Settings {
        bool dry_run = false;                                   // the log says "would grant"
        std::chrono::milliseconds patience{10'000};             // for an answer of the worker
        std::uint32_t most_unanswered = 10;                     // pings
        std::chrono::nanoseconds settled_after = kSettledAfter; // of files with secrets (secret_stamp.h)
    };
    // A worker that set_up_worker() has set up. `world` outlives this.
    Monitor(privsep::Child worker, World world, Settings settings);

    const privsep::Channel& channel() const { return worker_.channel; } // for messages that want no answer
    pid_t pid() const { return worker_.pid; }

    // A configuration is handed over in three steps. First the worker gets what differs from what counts, reads the
    // secrets of that, and goes on to judge by what counts. Credentials whose secrets cannot be used are disabled in
    // `next`; `may_disable` may refuse that. After an error what counts is as it was, and the next hand_over() begins
    // anew.
    using Check = std::function<Result<void>(const config::Config& next)>;
    Result<void> hand_over(config::Config& next, const Check& may_disable);
    // Second: the configuration that was handed over last counts here. Third: the worker judges by it. Nothing of the
    // worker's may be waited for between the two.
    void commit(std::shared_ptr<const config::Config> handed_over);
    Result<void> activate();

    // Until all tags of the configuration that counts were published once.
    Result<void> wait_for_tags();
    // Knocks made up to now are refused; it counts when this returns.
    Result<void> raise_horizon();
    Result<void> set_panic(bool on);
    Result<void> unlock(const wire::CredentialId& credential); // forgets its wrong codes
    Result<void> accept_clock();

    // What there is to read of the worker's, for a few milliseconds: one that sends without a pause holds up nobody.
    void on_readable();
    // To be called on SIGCHLD.
    void on_child();
    // To be called once a second: asks the worker whether it lives. False: it has not answered of late, and systemd is
    // not to be told that all is well.
    bool tick();
    // The request with this ticket, whose answer was `waiting`, has come about, or could not.
    void on_committed(GrantPort::Ticket ticket, bool done);
    // Lets the worker end, as it does when its channel closes, and waits three seconds for that at most.
    void stop();

    bool clock_is_wrong() const { return clock_is_wrong_; }
    // By place; what lies behind the last one is nobody's either.
    std::vector<bool> disabled_places() const;
    // Of the last hand-over: how many credentials' secrets were read.
    std::size_t handed_over() const { return handed_over_count_; }

  private:
    struct BadSecrets { // of the configuration that is being handed over
        std::uint32_t index;
        Error error;
    };
    Result<std::vector<BadSecrets>> hand_over_once(const config::Config& next);
    Result<privsep::SecretsRead> hand_over_secrets(const config::Config& next, std::uint32_t first,
                                                   std::vector<BadSecrets>& bad);
    Result<privsep::SecretsRead> wait_for_secrets_read(std::uint32_t next);

    template <typename M>
    Result<void> tell(const M& message, std::span<const int> fds = {}) {
        auto sent = privsep::send(worker_.channel, message, fds);
        if (sent)
            conversation_.was_sent(M::kType);
        return sent;
    }
    // Handles what the worker says until a message of this type came, which is handled too.
    Result<privsep::Received> wait_for(privsep::Type type);
    Result<void> dispatch(privsep::Received& received);
    void end(Error error);

    // xknockd's handlers of the request table; dispatch() has looked at type, size, descriptors, phase and budget.
    Result<void> handle_secrets_read(privsep::Received& received);
    Result<void> handle_horizon_raised(privsep::Received& received);
    Result<void> handle_pong(privsep::Received& received);
    Result<void> handle_tags(privsep::Received& received);
    Result<void> handle_request(privsep::Received& received);
    Result<void> handle_notice(privsep::Received& received);
    static const privsep::Handler<Monitor> kHandlers[6];

    void log_reply(const privsep::RequestGrant& message, const privsep::Asked& asked, const GrantReply& reply,
                   const std::string& who, const Now& now);
    void report(authz::EventKind kind, const authz::Credential* whom = nullptr);

    privsep::Child worker_;
    World world_;
    Settings settings_;
    privsep::Conversation conversation_{privsep::Side::xknockd, privsep::Phase::hand_over};
    std::shared_ptr<const config::Config> config_; // what counts
    std::uint32_t generation_ = 0;                 // of it
    std::uint32_t last_generation_ = 0;            // that was handed over, whether it counts or not
    Places places_;                                // of what counts
    std::optional<Places::Plan> plan_;             // of what was handed over and does not count yet
    std::size_t handed_over_count_ = 0;
    TagPublication publication_;
    std::map<GrantPort::Ticket, std::uint32_t> waiting_; // the worker's own number of each request that waits
    GrantPort::Ticket last_ticket_ = 0;
    std::uint32_t ping_ = 0, pong_ = 0; // the last ones
    bool clock_is_wrong_ = false;
    bool has_ended_ = false;
    authz::LogBudget grant_log_{600, std::chrono::seconds(0)};
    authz::LogBudget refusal_log_;
};

} // namespace xk
