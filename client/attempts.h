// SPDX-License-Identifier: MIT
//
// Connections that are being made; the first that stands wins and the others are given up.
#pragma once

#include "client/addresses.h"
#include "protocol/base/fd.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

namespace xk::client {

class Attempts {
  public:
    using Clock = std::chrono::steady_clock;

    struct Failure {
        std::size_t tag;
        int error; // an errno
        Clock::time_point begun;
    };

    // Begins one more, from `local` if given. A failure to begin counts as an attempt that failed. `tag` is the
    // caller's name for the address.
    void begin(const Place& to, std::uint16_t port, const std::optional<Address>& local, std::size_t tag = 0);
    // Waits at most this long, and less when an attempt fails or one of `others` (-1: none) becomes readable. The
    // connection that stands, if one does.
    std::optional<Fd> wait_for_answer(std::chrono::nanoseconds time, std::initializer_list<int> others = {});
    // The same, and failures do not end it.
    std::optional<Fd> wait(std::chrono::milliseconds time);

    bool any_pending() const { return !pending_.empty(); }
    // Whether one to this address that began before is without an answer so far.
    bool is_silent(std::size_t tag, Clock::time_point begun_before) const;
    // How long the oldest one to this address is without an answer; zero where none is.
    Clock::duration silence(std::size_t tag) const;
    // What failed since the last call, in the order of the answers.
    std::vector<Failure> take_failures() { return std::exchange(failures_, {}); }

  private:
    struct Try {
        Fd fd;
        std::size_t tag;
        Clock::time_point begun;
    };
    std::vector<Try> pending_;
    std::vector<Failure> failures_;
};

} // namespace xk::client
