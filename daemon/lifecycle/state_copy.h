// SPDX-License-Identifier: MIT
//
// StateCopy decides when the copy of judgement's memory is written. The first accepted knock of a slot is written at
// once, so that after a power cut the horizon is at the end of that slot, even if the wall clock is then far behind. A
// used HOTP code is written at once too, because no clock ends it. Other changes are written every ten seconds.
#pragma once

#include "daemon/authz/state.h"
#include "protocol/base/clock.h"

#include <functional>
#include <optional>

namespace xk {

class StateCopy {
  public:
    // Begins to write the copy. It must not wait for the disk.
    using Write = std::function<void()>;
    explicit StateCopy(Write write) : write_(std::move(write)) {}

    // Called after every judgement and on every tick.
    void look(const authz::StateImage& image, BootTime now);
    // The last write failed: it is tried again after ten seconds, even if nothing is judged meanwhile.
    void on_write_failed() { digest_.reset(); }

  private:
    Write write_;
    std::uint64_t slot_ = 0; // the highest slot that was written
    std::optional<std::uint64_t> digest_ = 0;
    std::uint64_t seen_ = 0;     // the digest of the last look
    std::uint64_t counters_ = 0; // sum of the HOTP counters that were written
    BootTime last_{};
};

} // namespace xk
