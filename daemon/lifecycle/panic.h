// SPDX-License-Identifier: MIT
//
// A panic: nobody is let in any more, until the operator says that it is over. The file is beside the copy of
// judgement's memory, where it outlives daemon, restart and reboot. It is written before anything is closed, so that a
// daemon that is killed in between is in panic when it is back, and goes on; one that cannot be read, or makes no
// sense, is a panic too.
#pragma once

#include "daemon/lifecycle/ssh_caller.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <sys/types.h>

#include <optional>
#include <string>

namespace xk {

class Panic {
  public:
    // What the file in the state directory says; `owner` may have written it, besides root.
    static Panic read(const std::string& directory, uid_t owner);
    static Panic none(const std::string& directory) { return Panic(file_in(directory)); } // of a dry run
    static std::string file_in(const std::string& directory) { return directory + "/panic"; }

    // Begins, or begins once more. It counts also where the file cannot be written: until the daemon ends.
    Result<void> begin(const std::optional<TcpSession>& spared, WallTime now);
    // Everything is closed and ended.
    Result<void> finish();
    // Over: after a reboot too. It goes on where the file cannot be removed.
    Result<void> end();

    bool is_on() const { return on_; }
    bool is_finished() const { return finished_; }
    std::optional<WallTime> since() const { return since_; }            // none: the file does not say it
    const std::optional<TcpSession>& spared() const { return spared_; } // of whoever called it

  private:
    explicit Panic(std::string file) : file_(std::move(file)) {}
    bool parse(std::string content);
    Result<void> write() const;

    std::string file_;
    bool on_ = false, finished_ = false;
    std::optional<WallTime> since_;
    std::optional<TcpSession> spared_;
};

} // namespace xk
