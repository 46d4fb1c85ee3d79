// SPDX-License-Identifier: MIT
//
// Panic: nobody gets in until the operator ends it. The file is in the state directory, where it outlives daemon,
// restart and reboot. It is written before anything is closed: if the daemon is killed in between, the next one is in
// panic and goes on. A file that cannot be read or makes no sense is a panic too.
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
    // Reads the file in the state directory, which must belong to root or `owner`.
    static Panic read(const std::string& directory, uid_t owner);
    static Panic none(const std::string& directory) { return Panic(file_in(directory)); } // of a dry run
    static std::string file_in(const std::string& directory) { return directory + "/panic"; }

    // Begins a panic, also within another one. If the file cannot be written, the panic lasts until the daemon ends.
    Result<void> begin(const std::optional<TcpSession>& spared, WallTime now);
    // Every grant is closed and every session has ended.
    Result<void> finish();
    // Ends the panic, also for the time after a reboot. It goes on where the file cannot be removed.
    Result<void> end();

    bool is_on() const { return on_; }
    bool is_finished() const { return finished_; }
    std::optional<WallTime> since() const { return since_; }            // empty where the file does not say it
    const std::optional<TcpSession>& spared() const { return spared_; } // the session of the operator who began it

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
