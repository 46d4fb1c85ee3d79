// SPDX-License-Identifier: MIT
//
// HookCalls sends xknock-hooks a request for each configured hook of a grant that begins or ends, and logs the hooks
// that fail. An event is for one credential at one service from one address (GrantEvents). Nothing here waits: a
// request that xknock-hooks does not take at once is dropped and counted. If xknock-hooks ends, the daemon goes on
// without hooks.
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

    // `process` is none where the configuration had no hook at the start.
    HookCalls(std::optional<privsep::Child> process, const config::Config& config);

    // Starts xknock-hooks. It changes to the hooks' user before it replies to set_up(). Needs CAP_SETUID and
    // CAP_SETGID.
    static Result<privsep::Child> start(const std::string& executable);
    static Result<void> set_up(const privsep::Child& process, const config::Account& account);

    // Whether a reload may take these hooks over. It may if there are none, or if their user is the one for which
    // xknock-hooks was started.
    bool can_run(const config::Hooks& hooks) const;
    // From now on grants begin and end with the hooks of this configuration. A copy of them is kept.
    void reconfigure(const config::Config& config);

    // Runs the hooks of grants that began or ended. Other events have no hooks.
    void on_event(const authz::Event& event) override;

    // The descriptor of the channel; -1 without a process, or when it has ended.
    int fd() const { return process_ ? process_->channel.fd() : -1; }
    // Reads reports. Returns false when the process has ended or sent nonsense; the descriptor is closed then.
    bool receive();
    void on_child(); // SIGCHLD
    void on_tick(BootTime now);
    void stop(); // closes the channel, so xknock-hooks kills the hooks that run and ends

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
    config::Account account_;                                           // the user of the process
    std::map<std::string, config::ServiceHooks, std::less<>> services_; // by the service's name
    std::chrono::seconds time_limit_{0};
    Counts counts_;
    authz::LogBudget log_{60, std::chrono::seconds(0)};
};

} // namespace xk
