// SPDX-License-Identifier: MIT
//
// Runner: runs hooks, a few at once, each for its time and no longer. A hook is a session and process group of its own,
// which is killed as a whole when its first process ends or its time is over; what leaves the group is out of reach.
// Hooks of one subject run in the order of their events, never two at once; of different subjects, side by side.
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
inline constexpr std::size_t kMaxWaiting = 64; // what comes beyond is dropped, and reported

class Runner {
  public:
    // Blocks SIGCHLD and SIGTERM.
    static Result<Runner> make(const privsep::Channel& channel);
    Runner(Runner&&) = default;
    ~Runner(); // ends what runs

    enum class End { channel_closed, terminated };
    // Until the other side closes the channel, or SIGTERM.
    Result<End> run();

  private:
    using Clock = std::chrono::steady_clock; // stands still while the machine sleeps, as hooks do

    struct Hook {
        pid_t pid;
        Run request;
        Clock::time_point deadline;
        bool overdue = false;
        Fd errors;        // what it says on standard error
        std::string says; // the beginning of it

        void listen();
        void kill() const;
    };

    Runner(const privsep::Channel& channel, Fd signals) : channel_(&channel), signals_(std::move(signals)) {}

    void wait();
    bool is_terminated();
    void end_overdue();
    void reap();
    bool reap(Hook& hook);
    Result<bool> take_requests();
    void start_waiting();
    bool runs(const Subject& subject) const;
    void start(const Run& request);
    void report(const Run& request, Outcome outcome, int code, const std::string& says = {});

    const privsep::Channel* channel_;
    Fd signals_;
    std::deque<Run> waiting_;
    std::vector<Hook> running_;
};

} // namespace xk::hooks
