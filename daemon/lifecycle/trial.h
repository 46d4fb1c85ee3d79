// SPDX-License-Identifier: MIT
//
// Trial: the gate stands only until a moment of this boot, unless the operator confirms before then that they can still
// log in. Its file is in the state directory, where it outlives daemon, restart and reboot. A trial that was not
// confirmed before a reboot is over, and so is one whose file cannot be read. root writes the file before the first
// start, and the daemon later.
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

    // Reads the file in the state directory, which must belong to root or `owner`.
    static Trial read(const std::string& directory, uid_t owner);
    static std::string file_in(const std::string& directory) { return directory + "/trial"; }

    // Begins a trial, or moves its end. The file is on the disk afterwards. For a daemon that is about to start, the
    // file names no boot: in a container knockctl may see another boot id than a unit that has its own /proc.
    Result<void> begin_trial(std::chrono::seconds time, BootTime now);
    Result<void> begin_for_daemon(std::chrono::seconds time, BootTime now);
    // Writes this boot into the file. The daemon calls it when it finds a trial at its start.
    Result<void> keep();
    // Ends the trial for good, also after a reboot.
    Result<void> forget();

    bool is_on() const { return end_.has_value(); }
    bool is_over(BootTime now) const { return end_ && now >= *end_; }
    std::chrono::seconds left(BootTime now) const; // call it only while the trial is on

  private:
    explicit Trial(std::string file) : file_(std::move(file)) {}
    Result<void> write(const std::string& boot, BootTime end);

    std::string file_;
    std::optional<BootTime> end_;
};

// Parses a time such as "5m". An error has Exit::usage.
Result<std::chrono::seconds> parse_trial_time(const std::string& text);

} // namespace xk
