// SPDX-License-Identifier: MIT
//
// Channel: one end of a SOCK_SEQPACKET pair between xknockd and xknock-worker, or xknockd and xknock-hooks. A message
// is one struct of a fixed size, in host byte order, with at most kMaxFds descriptors. A message of another size is the
// other side's fault and ends the connection.
#pragma once

#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"
#include "protocol/secret.h"

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace xk::privsep {

inline constexpr std::size_t kMaxMessage = 16 * 1024; // bytes
// The kernel allows 253 (SCM_MAX_FD), but each one counts against the reader's RLIMIT_NOFILE.
inline constexpr std::size_t kMaxFds = 32;
inline constexpr std::chrono::seconds kPatience{10};

struct Received {
    // Wiped when it is freed, because Tags carry MAC keys. No larger than the message, because many may be waiting.
    WipedVector<std::uint8_t> bytes;
    std::vector<Fd> fds;
};

class Channel {
  public:
    explicit Channel(Fd fd) : fd_(std::move(fd)) {}

    // Both ends, close-on-exec.
    static Result<std::pair<Channel, Channel>> pair();

    int fd() const { return fd_.get(); }
    Fd release() { return std::move(fd_); }

    // Waits until the peer has room. On a non-blocking descriptor it gives up after kPatience. xknockd may wait for the
    // worker, because the worker keeps reading while it waits for room itself.
    Result<void> send(ByteView bytes, std::span<const int> fds = {}) const;

    // Does not wait. False: the peer has no room for the message now.
    Result<bool> try_send(ByteView bytes) const;

    // Returns nothing at the end of the connection and, unless `wait`, while there is no message. A message with too
    // many bytes or descriptors is an error, and its descriptors are closed.
    Result<std::optional<Received>> receive(bool wait) const;

    // Tells, after receive() returned nothing, whether that was the end of the connection.
    bool closed() const { return closed_; }

  private:
    Fd fd_;
    mutable bool closed_ = false;
};

} // namespace xk::privsep
