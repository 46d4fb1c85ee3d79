// SPDX-License-Identifier: MIT
//
// LogSink: the log's line for each event. Only kinds that are switched on have one: where whoever makes the event still
// prints the line himself, the kind is off (kLogged in log_sink.cpp). Nobody who knocks can fill a disk: lines that a
// packet causes have budgets (authz::LogBudget), and what was left out is told in one line.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/authz/log_budget.h"

#include <bitset>
#include <functional>
#include <string>

namespace xk::events {

using Kinds = std::bitset<authz::kEventKinds>;

// The kinds whose line comes from here and from nowhere else.
Kinds logged_kinds();

class LogSink : public authz::EventSink {
  public:
    enum class Level { debug, info, warning, error, critical };
    // Writes one line. The default is the log (daemon/log.h).
    using Write = std::function<void(Level, const std::string&)>;

    explicit LogSink(Kinds kinds = logged_kinds());
    LogSink(Kinds kinds, Write write) : kinds_(kinds), write_(std::move(write)) {}

    // A dry run says "would grant" and "would ban".
    void set_dry_run(bool on) { dry_run_ = on; }

    void on_event(const authz::Event& event) override;
    // Once a second: how many lines were left out, where that is due.
    void on_tick(BootTime now);

  private:
    void log_accepted(const authz::Event& event);
    void log_refused(const authz::Event& event);
    void log_granted(const authz::Event& event);
    void log_ended(const authz::Event& event);
    void log_unbanned(const authz::Event& event);
    void log_banned(const authz::Event& event);
    void log_repaired(const authz::Event& event);
    void log_panic(const authz::Event& event);
    void log_trial_over(const authz::Event& event);
    void log_fixed(const authz::Event& event); // lines that depend on little
    std::string would(const char* done, const char* verb) const;

    Kinds kinds_;
    Write write_;
    bool dry_run_ = false;
    authz::LogBudget refusals_;
    authz::LogBudget grants_{600, std::chrono::seconds(0)};
    std::uint64_t never_told_ = 0; // refusals and probes that did not even become events
    BootTime quiet_until_ = BootTime::min();
};

} // namespace xk::events
