// SPDX-License-Identifier: MIT
//
// Pace says when the next transaction may be made. A program that lists a large set starts again whenever the set
// changes (NLM_F_DUMP_INTR), and never ends where it changes all the time. So with many pinholes a run of transactions
// is followed by a pause that is long enough for one listing.
#pragma once

#include "protocol/base/clock.h"

#include <chrono>
#include <cstddef>

namespace xk {

class Pace {
  public:
    // Below this many pinholes a listing is so short that it ends between any two knocks.
    static constexpr std::size_t kManyPinholes = 1000;

    // The end of the pause after the last transaction.
    BootTime due(std::size_t pinholes) const { return last_ + pause(pinholes); }
    // Whether a pinhole that is to open now has to wait for due().
    bool is_pause(BootTime now, std::size_t pinholes) const {
        return now < due(pinholes) && now >= run_began_ + kRun * pause(pinholes);
    }
    // Call it when a transaction is made.
    void on_transaction(BootTime now, std::size_t pinholes) {
        if (now >= due(pinholes))
            run_began_ = now;
        last_ = now;
    }

  private:
    // Twice the time that nft(8) takes to read a pinhole from the kernel (10,000 in 0.1 s): a listing that is
    // under way when the pause begins fails, and a second one has to fit into the pause.
    static constexpr std::chrono::microseconds kPauseForAPinhole{20};
    // A run is four pauses long, so one of five knocks waits, for half a pause on average.
    static constexpr int kRun = 4;

    static std::chrono::nanoseconds pause(std::size_t pinholes) {
        return pinholes < kManyPinholes ? std::chrono::nanoseconds(0) : kPauseForAPinhole * pinholes;
    }

    BootTime last_{};
    BootTime run_began_{}; // a run is a row of transactions without a pause between them
};

} // namespace xk
