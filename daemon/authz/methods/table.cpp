// SPDX-License-Identifier: MIT
#include "daemon/authz/method.h"
#include "daemon/authz/methods/c_lock.h"
#include "daemon/authz/methods/capyknock.h"
#include "daemon/authz/methods/fwknop.h"
#include "daemon/authz/methods/handshake.h"
#include "daemon/authz/methods/packet.h"
#include "daemon/authz/methods/sequence.h"

namespace xk::authz {

std::span<const MethodRow> method_table() {
    static constexpr MethodRow kTable[] = {
        {RecordKind::packet, make_packet_method},       {RecordKind::sequence, make_sequence_method},
        {RecordKind::c_lock, make_c_lock_method},       {RecordKind::handshake_request, make_handshake_method},
        {RecordKind::capyknock, make_capyknock_method}, {RecordKind::fwknop, make_fwknop_method},
    };
    return kTable;
}

} // namespace xk::authz
