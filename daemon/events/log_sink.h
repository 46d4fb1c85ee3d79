// SPDX-License-Identifier: MIT
//
// LogSink writes the line of each event, and only it writes such lines. A sender of packets cannot fill the disk: lines
// that a packet causes have budgets (authz::LogBudget), and one line says how many were left out.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/authz/log_budget.h"
#include "daemon/log.h"

#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace xk::events {

class LogSink : public authz::EventSink {
  public:
    using Level = log::Level;
    // Writes one line. The default is the log (daemon/log.h).
    using Write = std::function<void(Level, const std::string&)>;

    LogSink();
    explicit LogSink(Write write) : write_(std::move(write)) {}

    // A dry run says "would grant" and "would ban".
    void set_dry_run(bool on) { dry_run_ = on; }

    void on_event(const authz::Event& event) override;
    // To be called once a second. Logs how many lines were left out, at most once in each period of the budget.
    void on_tick(BootTime now);

    // One row for each kind, in the order of the kinds. docs/control.md, "Events", has the same.
    struct Row {
        authz::EventKind kind;
        std::string_view fields; // the JSON fields that an event of this kind may have beside kind, number and time
        // Variable parts are in capitals. The first one of several lines; empty where the kind has no line.
        std::string_view line;
        void (LogSink::*write)(const authz::Event&);
    };
    static std::span<const Row> rows();

  private:
    static const Row kRows[authz::kEventKinds];

    void log_nothing(const authz::Event&) {}
    void log_accepted(const authz::Event& event);
    void log_refused(const authz::Event& event);
    void log_refusals_suppressed(const authz::Event& event);
    void log_knocks_suppressed(const authz::Event& event);
    void log_legacy_client(const authz::Event& event);
    void log_locked(const authz::Event& event);
    void log_unlocked(const authz::Event& event);
    void log_granted(const authz::Event& event);
    void log_ended(const authz::Event& event);
    void log_session_ended(const authz::Event& event);
    void log_unbanned(const authz::Event& event);
    void log_reloaded(const authz::Event& event);
    void log_repaired(const authz::Event& event);
    void log_attached(const authz::Event& event);
    void log_clock_wrong(const authz::Event& event);
    void log_clock_right(const authz::Event& event);
    void log_trial_begun(const authz::Event& event);
    void log_trial_confirmed(const authz::Event& event);
    void log_trial_over(const authz::Event& event);
    void log_panic_begun(const authz::Event& event);
    void log_panic_over(const authz::Event& event);
    void log_action(const authz::Event& event);
    void log_quoted(const authz::Event& event);
    void log_ban_action(const authz::Event& event);
    void log_unban_action(const authz::Event& event);
    std::string would(const char* done, const char* verb) const;

    Write write_;
    bool dry_run_ = false;
    authz::LogBudget refusals_;
    authz::LogBudget grants_{600, std::chrono::seconds(0)};
    authz::LogBudget sessions_{600, std::chrono::seconds(0)};
    std::uint64_t refusals_left_out_ = 0; // refusals and probes without a line or an event
    BootTime quiet_until_ = BootTime::min();
};

} // namespace xk::events
