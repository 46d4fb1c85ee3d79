// SPDX-License-Identifier: MIT
//
// StateCopy: when the copy of judgement's memory is written. A slot in which the first knock was accepted goes to the
// disk at once: after a power cut the horizon stands at its end, however far behind the wall clock comes back. All else
// goes there every ten seconds, where anything was judged since.
#pragma once

#include "daemon/authz/state.h"
#include "protocol/base/clock.h"

#include <functional>

namespace xk {

class StateCopy {
  public:
    // Writes it to the disk, and must not wait for that.
    using Write = std::function<void()>;
    explicit StateCopy(Write write) : write_(std::move(write)) {}

    // After judgement may have changed its memory, and on every tick.
    void look(const authz::StateHeader& header, BootTime now);

  private:
    Write write_;
    std::uint64_t slot_ = 0, digest_ = 0; // as they were written
    BootTime last_{};
};

} // namespace xk
