// SPDX-License-Identifier: MIT
#include "daemon/authz/method.h"
#include "daemon/authz/methods/packet.h"
#include "daemon/authz/methods/sequence.h"

namespace xk::authz {

std::span<const MethodRow> method_table() {
    static constexpr MethodRow kTable[] = {
        {RecordKind::packet, make_packet_method},
        {RecordKind::sequence, make_sequence_method},
    };
    return kTable;
}

} // namespace xk::authz
