// SPDX-License-Identifier: MIT
//
// LastingError is the error of something that is tried again on each tick. It is logged when it comes and when it
// becomes another one, so that it does not fill the log.
#pragma once

#include "protocol/base/result.h"

#include <string>

namespace xk {

class LastingError {
  public:
    // To be called with each result. `what` says in the log what could not be done.
    void on_result(const Result<void>& result, std::string_view what = {});

  private:
    std::string logged_; // empty: the last try succeeded
};

} // namespace xk
