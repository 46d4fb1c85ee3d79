// SPDX-License-Identifier: MIT
//
// HookCalls: asks xknock-hooks to run what the configuration says of a grant that begins or ends, and tells the
// operator how it went. An event is of one credential at one service from one address (GrantEvents). Nothing here
// waits: what xknock-hooks does not take at once is dropped and counted, and when it is gone, so are the hooks, and the
// daemon goes on.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/authz/log_budget.h"
#include "daemon/config/config.h"
#include "daemon/hooks/messages.h"
#include "daemon/privsep/spawn.h"

#include <map>
#include <optional>
#include <string>

namespace xk {

class HookCalls : public authz::EventSink {
  public:
    struct Counts {
        std::uint64_t done = 0, failed = 0, dropped = 0;
    };

    // No process: there was no hook in the configuration at start.
    HookCalls(std::optional<privsep::Child> process, const config::Config& config);

    // Starts xknock-hooks, which becomes the hooks' user before it answers. Needs CAP_SETUID and CAP_SETGID.
    static Result<privsep::Child> start(const std::string& executable);
    static Result<void> set_up(const privsep::Child& process, const config::Account& account);

    // Whether a reload may bring these: none, or those of the user that xknock-hooks was started for.
    bool can_run(const config::Hooks& hooks) const;
    // Grants that end from now on have the hooks of this configuration, of which a copy is kept.
    void reconfigure(const config::Config& config);

    // Of grants that began or ended; other events have no hook.
    void on_event(const authz::Event& event) override;

    // Its descriptor; -1 without a process, or when it is gone.
    int fd() const { return process_ ? process_->channel.fd() : -1; }
    // Reads its reports. When it is gone: false, and the descriptor is closed.
    bool receive();
    void on_child(); // SIGCHLD
    void on_tick(BootTime now);
    void stop(); // ends what runs

    bool was_started() const { return was_started_; }
    const Counts& counts() const { return counts_; }

  private:
    void call(const authz::Event& grant, hooks::Event event);
    void drop(const hooks::Run& run);
    void take(const hooks::Report& report);
    void complain(const hooks::Subject& subject, hooks::Event event, const std::string& what);

    std::optional<privsep::Child> process_;
    pid_t pid_;
    bool was_started_;
    config::Account account_;                                           // as it was started
    std::map<std::string, config::ServiceHooks, std::less<>> services_; // by the service's name
    std::chrono::seconds time_limit_{0};
    Counts counts_;
    authz::LogBudget log_{60, std::chrono::seconds(0)};
};

} // namespace xk
