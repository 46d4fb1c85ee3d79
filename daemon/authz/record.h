// SPDX-License-Identifier: MIT
//
// Record: one thing that the filter reported, as it came off the ring. Its header, kind and length are checked by then
// (daemon/xdp/ring.h); its bytes are not looked at before the Method of its kind reads them.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/slot.h"

#include <chrono>
#include <cstdint>
#include <vector>

namespace xk::authz {

// The numbers of bpf/abi.h, enum xk_record_kind. Each way of knocking has its own.
enum class RecordKind : std::uint16_t {
    packet = 1, // `bytes` are the 192 of one UDP packet
};

// A record may wait this long for a judge (the daemon was restarted); then its knock is forgotten.
inline constexpr std::chrono::seconds kLongestWait{60};

struct Record {
    RecordKind kind = RecordKind::packet;
    Address source;
    Address destination;
    std::uint16_t source_port = 0;
    BootTime arrived{};
    // Whose knock the filter takes it for. The filter's maps are not trusted: a Method finds out by itself, and needs
    // these only where there are no bytes to find it out by.
    std::uint32_t credential = 0;
    Slot slot = 0;
    std::vector<std::uint8_t> bytes; // as the wire had them
};

} // namespace xk::authz
