// SPDX-License-Identifier: MIT
//
// Says when an address or a route of this machine changes. This is rtnetlink without a library: no message is read for
// what it says, because any change is a reason to knock again.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace xk::client {

class RouteWatch {
  public:
    static Result<RouteWatch> start();
    // Becomes readable with a change.
    int fd() const { return fd_.get(); }
    // Takes everything that has come. Whether something had.
    bool drain();

  private:
    explicit RouteWatch(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

} // namespace xk::client
