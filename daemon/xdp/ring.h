// SPDX-License-Identifier: MIT
//
// The worker's end of the ring of records. Each header is checked and the record copied once. The record's room is
// given back only after its handler has returned, so that kill -9 in between loses nothing. Opening makes bpf(2) calls
// and has to be done before privileges are dropped; reading makes none.
#pragma once

#include "daemon/authz/record.h"
#include "protocol/base/bytes.h"
#include "protocol/base/fd.h"
#include "protocol/base/handle.h"
#include "protocol/base/result.h"

#include <functional>
#include <memory>
#include <variant>

struct ring_buffer;

namespace xk::xdp {

enum class RecordFault {
    malformed, // no header, another length than the header says, or another version or length than the kind has
    unknown,   // of a kind that this release does not know
};

// Reads one record as it lies in the ring. Header, version and length are checked before anything else is read.
std::variant<authz::Record, RecordFault> read_record(ByteView bytes);

class Ring {
  public:
    using Handler = std::function<void(const authz::Record&)>;

    // `map` is the ring's map; the ring keeps it open.
    static Result<Ring> open(Fd map);

    Ring(Ring&&) noexcept;
    Ring& operator=(Ring&&) noexcept;
    ~Ring();

    // Readable when there are records.
    int poll_fd() const;

    // Hands over the records that are there, at most `most` of them (1 or more). Faulty ones are skipped and counted.
    void consume(const Handler& handler, unsigned most);
    std::uint64_t malformed() const;
    std::uint64_t unknown() const;

  private:
    struct State;
    explicit Ring(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace xk::xdp
