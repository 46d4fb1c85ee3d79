// SPDX-License-Identifier: MIT
//
// Faults: lets the n-th call of all recording parts that share it fail, so that a test can go through an operation and
// break it at each of its steps in turn.
#pragma once

#include "protocol/base/result.h"

#include <cstddef>

namespace xk::test {

class Faults {
  public:
    // The n-th call from now on fails, beginning with 1, and with `all` every one after it too.
    void fail_at(std::size_t n, bool all = false) {
        calls_ = 0;
        first_ = n;
        all_ = all;
    }
    void none() { fail_at(0); }
    // Whether the call that was to fail has been made.
    bool struck() const { return first_ != 0 && calls_ >= first_; }

    // To be called by each call that can fail.
    Result<void> step(const char* what) {
        ++calls_;
        if (first_ != 0 && (calls_ == first_ || (all_ && calls_ > first_)))
            return Error{std::string(what) + ": made to fail by the test", {}};
        return {};
    }

  private:
    std::size_t calls_ = 0, first_ = 0;
    bool all_ = false;
};

} // namespace xk::test
