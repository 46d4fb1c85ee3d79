// SPDX-License-Identifier: MIT
//
// Why a candidate was turned down. Every one is counted, logged at a limited rate, and never answered.
#pragma once

#include "protocol/request.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace xk::authz {

// In the order of the steps of docs/protocol.md. The numbers are indices into the counters of the state
// file, so new ones go to the end of the list.
enum class Reject : std::uint8_t {
    late,           // 1: waited too long for a judge
    tag,            // 1: no credential has this tag in a slot that counts
    mac,            // 1
    box,            // 2: Poly1305 refuses
    version,        // 3: the strict decoder's faults, one for one
    action,         // 3
    factor,         // 3
    address_mode,   // 3
    protocol,       // 3
    flags,          // 3
    port,           // 3
    clock,          // 3
    address,        // 3
    target,         // 3
    horizon,        // 4: older than what this boot can prove
    stale,          // 4: the client's clock is behind by more than the skew
    future,         // 4: ... or ahead
    replay,         // 4: this packet was judged before
    request_reused, // 4: a request id came again for another address
    memory_full,    // 4: nothing more can be remembered, so nothing more is accepted
    disabled,       // 5
    locked,         // 5: too many wrong codes
    not_yet_valid,  // 5
    expired,        // 5
    banned,         // 5: the address is banned
    factor_kind,    // 6: not the credential's own kind
    proof_form,     // 6: the proof field is not of the factor's form
    wrong_code,     // 6
    code_used,      // 6
    binding,        // 7: the policy wants the client to name its address (no NAT)
    source,         // 7: the address named is not the packet's source
    delegation,     // 7: opening for another address is not this user's right
    own_address,    // 7: an address of this host, or one that no pinhole is opened for
    service,        // 7: unknown, or not this user's
    unsupported, // 7: asks for something that this release does not do: single use of a range of ports, or with after:
                 // cut
    limit,       // 9: the credential or the host has too many grants
    refused,     // 9: the privileged process refuses; it says why
    firewall,    // 9: the kernel refused
    crashed,     // judging it ended the worker several times
    hours,       // 5: not one of the user's hours
    network,     // 5: not one of the user's networks
    panic,       // 5: the operator let nobody in any more ("knockctl panic")
    taken,       // 8: somebody else used the knock
    unanswered,  // 8: nobody said in time whether it may be used
    count_,
};

inline constexpr std::size_t kRejects = static_cast<std::size_t>(Reject::count_);

std::string_view name_of(Reject reason);
Reject reject_of(RequestFault fault);

} // namespace xk::authz
