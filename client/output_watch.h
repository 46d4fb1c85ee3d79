// SPDX-License-Identifier: MIT
//
// Ends this program when nobody reads its standard output any more. A ProxyCommand works for the ssh that started it,
// and ssh may be killed while the client resolves a name, waits for a code or knocks.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <optional>
#include <thread>

namespace xk::client {

// Whether the reader of a pipe, of a socket or of a terminal is gone. For anything else: never.
bool has_no_reader(int fd);

// While it lives and the reader of `output` goes away, children of this process are killed and it gets SIGTERM, so that
// whoever has changed the terminal puts it back.
//
// This is a thread, because a loop cannot watch while getaddrinfo(3) waits for a name server. PR_SET_PDEATHSIG would
// not do: it says nothing where a shell stands between, and speaks too early where ssh forks into the background.
class OutputWatch {
  public:
    static Result<std::optional<OutputWatch>> start(int output);
    OutputWatch(OutputWatch&&) = default;
    OutputWatch& operator=(OutputWatch&&) = delete;
    ~OutputWatch();

  private:
    OutputWatch(Fd stop, std::thread thread) : stop_(std::move(stop)), thread_(std::move(thread)) {}

    Fd stop_; // when it closes, the thread ends
    std::thread thread_;
};

} // namespace xk::client
