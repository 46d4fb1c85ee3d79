// SPDX-License-Identifier: MIT
//
// Runner runs a few hooks side by side, each at most for its time limit. A hook is a session and process group of its
// own. The group is killed when its first process ends or the time is over. A process that leaves the group is not
// killed. Hooks of one subject run one after the other, in the order of their events.
#pragma once

#include "daemon/hooks/messages.h"
#include "daemon/privsep/channel.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <string>
#include <vector>

namespace xk::hooks {

inline constexpr std::size_t kMaxRunning = 8;
inline constexpr std::size_t kMaxWaiting = 64; // further ones are dropped and reported

class Runner {
  public:
    // Blocks SIGCHLD and SIGTERM.
    static Result<Runner> make(const privsep::Channel& channel);
    Runner(Runner&&) = default;
    ~Runner(); // kills the hooks that run

    enum class End { channel_closed, terminated };
    // Returns when the other side closes the channel, or at SIGTERM.
    Result<End> run();

  private:
    using Clock = std::chrono::steady_clock; // it stops while the machine sleeps, because the hooks stop too

    struct Hook {
        pid_t pid;
        Run request;
        Clock::time_point deadline;
        bool overdue = false;
        Fd errors;        // its standard error
        std::string says; // the beginning of what it wrote there

        void read_errors();
        void kill() const;
    };

    Runner(const privsep::Channel& channel, Fd signals) : channel_(&channel), signals_(std::move(signals)) {}

    void wait_for_work();
    bool is_terminated();
    void end_overdue();
    void reap();
    bool reap(Hook& hook);
    Result<bool> receive_requests();
    void start_waiting();
    bool is_running(const Subject& subject) const;
    void start_hook(const Run& request);
    void report(const Run& request, Outcome outcome, int code, const std::string& says = {});

    const privsep::Channel* channel_;
    Fd signals_;
    std::deque<Run> waiting_;
    std::vector<Hook> running_;
};

} // namespace xk::hooks
