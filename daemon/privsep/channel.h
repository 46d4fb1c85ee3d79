// SPDX-License-Identifier: MIT
//
// Channel: one end of a SOCK_SEQPACKET pair between xknockd and xknock-worker, or xknockd and xknock-hooks. A message
// is one fixed-size struct and at most kMaxFds descriptors; whatever has another size than its type demands is an error
// of the other side, and the connection is over.
#pragma once

#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace xk::privsep {

inline constexpr std::size_t kMaxMessage = 16 * 1024;
inline constexpr std::size_t kMaxFds =
    32; // of the kernel's 253 (SCM_MAX_FD): each counts against the reader's RLIMIT_NOFILE
inline constexpr std::chrono::seconds kPatience{10};

struct Received {
    std::vector<std::uint8_t> bytes; // no larger than the message, because many of them may wait for their turn
    std::vector<Fd> fds;
};

class Channel {
  public:
    explicit Channel(Fd fd) : fd_(std::move(fd)) {}

    // Both ends; close-on-exec.
    static Result<std::pair<Channel, Channel>> pair();

    int fd() const { return fd_.get(); }
    Fd release() { return std::move(fd_); }

    // Waits while the peer does not read; where the descriptor is non-blocking, for kPatience at most. xknockd may wait
    // for the worker, because the worker goes on to read whatever it waits for itself.
    Result<void> send(ByteView bytes, std::span<const int> fds = {}) const;

    // For a peer that nobody waits for: false where there is no room for the message now.
    Result<bool> try_send(ByteView bytes) const;

    // Nothing at the end of the connection, and, where `wait` is false, when no message is there.
    // A message with more bytes or descriptors than allowed is an error; its descriptors are closed.
    Result<std::optional<Received>> receive(bool wait) const;

    // After receive() returned nothing.
    bool closed() const { return closed_; }

  private:
    Fd fd_;
    mutable bool closed_ = false;
};

} // namespace xk::privsep
