// SPDX-License-Identifier: MIT
//
// The ring of candidates, as the worker reads it: a size check, one copy into types of our own, and the record
// is given back only when its handler has returned, so that kill -9 in between loses nothing. Opening makes
// bpf(2) calls and wants to be done before privileges go; reading makes none.
#pragma once

#include "daemon/authz/judge.h"
#include "protocol/base/fd.h"
#include "protocol/base/handle.h"
#include "protocol/base/result.h"

#include <functional>
#include <memory>

struct ring_buffer;

namespace xk::xdp {

class Ring {
  public:
    using Handler = std::function<void(const authz::Candidate&)>;

    // `map` is the ring's map; the ring keeps it open.
    static Result<Ring> open(Fd map);

    Ring(Ring&&) noexcept;
    Ring& operator=(Ring&&) noexcept;
    ~Ring();

    // Readable when there are records.
    int poll_fd() const;

    // Hands over the records that are there, `most` of them (at least one). Those of another size are skipped and
    // counted.
    void consume(const Handler& handler, unsigned most);
    std::uint64_t malformed() const;

  private:
    struct State;
    explicit Ring(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace xk::xdp
