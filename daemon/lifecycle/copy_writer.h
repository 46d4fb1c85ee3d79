// SPDX-License-Identifier: MIT
//
// CopyWriter writes the copy of judgement's memory in a thread of its own, because grants must not wait for a disk that
// takes seconds for an fsync. It is the only thread beside the loop, and uses only the state files and the log.
#pragma once

#include "daemon/lifecycle/state_files.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace xk {

class CopyWriter {
  public:
    // While this object lives, only its thread may save `files`. The thread blocks all signals, because the loop reads
    // them.
    explicit CopyWriter(StateFiles& files);
    // Waits for the current write and for a requested one.
    ~CopyWriter();

    // Requests a write and returns at once. The memory is read after this call: a request during a write causes one
    // more write. The first failure in a row is logged.
    void write();
    // Whether a write has failed since the last call.
    bool take_failure() { return failed_.exchange(false); }

  private:
    void work();

    StateFiles& files_;
    std::mutex mutex_;
    std::condition_variable wanted_or_over_;
    bool wanted_ = false, over_ = false;
    std::atomic<bool> failed_ = false;
    std::thread thread_;
};

} // namespace xk
