// SPDX-License-Identifier: MIT
//
// Loop is epoll(7) with one callback for each descriptor, in one thread. A callback may add and remove descriptors,
// also its own.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <map>

namespace xk {

class Loop {
  public:
    using Callback = std::function<void(std::uint32_t events)>;

    static Result<Loop> make();

    Result<void> watch(int fd, Callback callback, std::uint32_t events = EPOLLIN);
    void change(int fd, std::uint32_t events);
    // May be called before or after the descriptor is closed.
    void forget(int fd);

    // Returns after stop(), also if stop() was called before run().
    Result<void> run();
    void stop() { stopped_ = true; }

  private:
    explicit Loop(Fd epoll) : epoll_(std::move(epoll)) {}

    Fd epoll_;
    std::map<int, Callback> callbacks_;
    bool stopped_ = false;
};

} // namespace xk
