// SPDX-License-Identifier: MIT
//
// Writes the copy of judgement's memory in a thread of its own: a disk that takes seconds for an fsync must not hold up
// who opens pinholes. The only thread beside the loop; it touches nothing but the state files and the log.
#pragma once

#include "daemon/lifecycle/state_files.h"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace xk {

class CopyWriter {
  public:
    // `files` is not saved by anybody else while this lives. All signals are blocked in the thread: they are the
    // loop's.
    explicit CopyWriter(StateFiles& files);
    // Waits for the write that is under way, and for one that was asked for.
    ~CopyWriter();

    // Returns at once. The memory is read after this call; what is asked for while a write is under way is one more
    // write after it. What fails is logged.
    void write();

  private:
    void work();

    StateFiles& files_;
    std::mutex mutex_;
    std::condition_variable wanted_or_over_;
    bool wanted_ = false, over_ = false;
    std::thread thread_;
};

} // namespace xk
