// SPDX-License-Identifier: MIT
//
// Panic: all knocks are refused until the operator ends it. Its file is in the state directory, where it outlives
// daemon, restart and reboot. It is written before anything is closed: if the daemon is killed in between, the next one
// is in panic and goes on. A file that cannot be read or parsed is a panic too.
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
    static Panic none(const std::string& directory) { return Panic(file_in(directory)); } // for a dry run
    static std::string file_in(const std::string& directory) { return directory + "/panic"; }

    // Begins a panic, or begins it anew. After an error the file is not written, and the panic lasts until the daemon
    // ends.
    Result<void> begin_panic(const std::optional<TcpSession>& spared, WallTime now);
    // Records that every grant is closed and every session has ended.
    Result<void> finish();
    // Ends the panic and removes the file. After an error the panic goes on.
    Result<void> end();

    bool is_on() const { return on_; }
    bool is_finished() const { return finished_; }
    std::optional<WallTime> since() const { return since_; }            // empty where the file could not be read
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
