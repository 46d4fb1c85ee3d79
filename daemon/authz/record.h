// SPDX-License-Identifier: MIT
//
// Record: one thing that the filter reported, as it came off the ring. Its header, kind and length are already checked
// (daemon/xdp/ring.h). Only the Method of its kind reads its bytes.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "protocol/slot.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace xk::authz {

// The numbers of bpf/abi.h, enum xk_record_kind. Each way of knocking has its own.
enum class RecordKind : std::uint16_t {
    packet = 1, // `bytes` are the 192 of one UDP packet
    // `bytes` are ten port numbers of 16 bits in host order, how many of them came, and a count of 16 bits
    sequence = 2,
    c_lock = 3,            // likewise
    hello = 4,             // `bytes` are the 192 of the first packet of a handshake
    handshake_request = 5, // `bytes` are the 192 of its last packet
    capyknock = 6,         // `bytes` are one UDP packet, as long as it came
    fwknop = 7,            // likewise
};

// A record may wait this long for a judge, because the daemon may be restarting. An older one is refused.
inline constexpr std::chrono::seconds kLongestWait{60};

// The bytes of one record, in place: an allocation for each knock costs more than to copy them.
class RecordBytes {
  public:
    static constexpr std::size_t kMost = 1472; // the longest record of any kind, without its header

    // Aborts where there are more than kMost.
    void assign(ByteView bytes);
    std::size_t size() const { return size_; }
    const std::uint8_t* begin() const { return bytes_.data(); }
    const std::uint8_t* end() const { return bytes_.data() + size_; }

  private:
    std::array<std::uint8_t, kMost> bytes_; // only the first size_ are valid
    std::size_t size_ = 0;
};

inline void RecordBytes::assign(ByteView bytes) {
    if (bytes.size() > kMost)
        std::abort();
    std::ranges::copy(bytes, bytes_.begin());
    size_ = bytes.size();
}

struct Record {
    RecordKind kind = RecordKind::packet;
    Address source;
    Address destination;
    std::uint16_t source_port = 0;
    BootTime arrived{};
    // The credential and the slot that the filter found. The filter's maps are not trusted, so a Method finds both by
    // itself. It needs these two only if the knock has no bytes that identify them.
    std::uint32_t credential = 0;
    Slot slot = 0;
    RecordBytes bytes; // as they came from the network
};

} // namespace xk::authz
