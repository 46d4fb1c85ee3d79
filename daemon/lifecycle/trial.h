// SPDX-License-Identifier: MIT
//
// A trial: the gate stands until a moment of this boot, unless somebody says before then that he still gets in. The
// file is beside the copy of judgement's memory, where it outlives daemon, restart and reboot: a trial that nobody
// confirmed before a reboot is over, and so is one whose file cannot be read. Who is root writes it before the first
// start; afterwards the daemon does.
#pragma once

#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

namespace xk {

class Trial {
  public:
    static constexpr std::chrono::seconds kLongest{std::chrono::days(7)};

    // What the file in the state directory says; `owner` may have written it, besides root.
    static Trial read(const std::string& directory, uid_t owner);
    static std::string file_in(const std::string& directory) { return directory + "/trial"; }

    // Begins one, or gives it another end. The file is on the disk then. For a daemon that is to start it says nothing
    // of the boot: in a container knockctl may see another boot's id than a unit with a /proc of its own does.
    Result<void> begin(std::chrono::seconds time, BootTime now);
    Result<void> begin_for_daemon(std::chrono::seconds time, BootTime now);
    // By the daemon that found itself on it: it is of this boot.
    Result<void> keep();
    // Confirmed, or over and everything taken away: after a reboot too.
    Result<void> forget();

    bool is_on() const { return end_.has_value(); }
    bool is_over(BootTime now) const { return end_ && now >= *end_; }
    std::chrono::seconds left(BootTime now) const; // while it is on

  private:
    explicit Trial(std::string file) : file_(std::move(file)) {}
    Result<void> write(const std::string& boot, BootTime end);

    std::string file_;
    std::optional<BootTime> end_;
};

// "5m", as an operator says it.
Result<std::chrono::seconds> parse_trial_time(const std::string& text);

} // namespace xk
