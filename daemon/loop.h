// SPDX-License-Identifier: MIT
//
// Loop: epoll, one callback for each descriptor. Single-threaded; a callback may add and remove others.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <sys/epoll.h>

#include <functional>
#include <map>

namespace xk {

class Loop {
  public:
    using Callback = std::function<void(std::uint32_t events)>;

    static Result<Loop> make();

    Result<void> watch(int fd, Callback callback, std::uint32_t events = EPOLLIN);
    void change(int fd, std::uint32_t events);
    // Before the descriptor is closed, or after.
    void forget(int fd);

    // Until stop() is called.
    Result<void> run();
    void stop() { stopped_ = true; }

  private:
    explicit Loop(Fd epoll) : epoll_(std::move(epoll)) {}

    Fd epoll_;
    std::map<int, Callback> callbacks_;
    bool stopped_ = false;
};

} // namespace xk
