// SPDX-License-Identifier: MIT
//
// Reject: why a knock is refused. Every refusal is counted and logged at a limited rate, and never answered.
#pragma once

#include "protocol/request.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace xk::authz {

// In the order of the steps of docs/protocol.md. The numbers are indices into the counters of the state file, so a new
// one is added at the end.
enum class Reject : std::uint8_t {
    late,           // 1: waited too long for a judge
    tag,            // 1: no credential has this tag in a slot that counts
    mac,            // 1: the MAC is wrong
    box,            // 2: Poly1305 refuses
    version,        // 3: the faults of the strict decoder, one for each
    action,         // 3
    factor,         // 3
    address_mode,   // 3
    protocol,       // 3
    flags,          // 3
    port,           // 3
    clock,          // 3
    address,        // 3
    target,         // 3
    horizon,        // 4: this boot cannot prove that it is new
    stale,          // 4: the client's clock is behind by more than the skew
    future,         // 4: the client's clock is ahead by more than the skew
    replay,         // 4: this packet was judged before
    request_reused, // 4: a request id came again for another address
    memory_full,    // 4: the replay memory is full, so that a copy would not be recognised
    disabled,       // 5: also a credential that is gone, or has no record
    locked,         // 5: too many wrong codes
    not_yet_valid,  // 5
    expired,        // 5
    banned,         // 5: the address is banned
    factor_kind,    // 6: not the credential's own kind
    proof_form,     // 6: the proof field is not of the factor's form
    wrong_code,     // 6
    code_used,      // 8: the code, or a later one, was used by another request
    binding,        // 7: the policy wants the client to name its address (no NAT)
    source,         // 7: the address named is not the packet's source
    delegation,     // 7: this user may not open for that other address
    own_address,    // 7: an address of this host, or one that gets no pinholes
    service,        // 7: unknown, or not this user's
    unsupported,    // 1, 7: not known to this release: a kind of record; single use of a range, or with after: cut
    limit,          // 9: the credential or the host has too many grants
    refused,        // 9: the privileged process refuses, and logs why
    firewall,       // 9: the kernel refused
    crashed,        // the record ended the worker several times
    hours,          // 5: not one of the user's hours
    network,        // 5: not one of the user's networks
    panic,          // 5: the operator's panic is on
    taken,          // 8: another host used the knock
    unanswered,     // 8: the Admission did not answer in time
    ports,          // 1: not the ports of a sequence that counts
    mode,           // 5: not a way of knocking that the user may use
    half_open,      // 4: too many handshakes are open, of the device or in all
    server_clock,   // 1, 5: our own clock is wrong, and the knock or the device's rights depend on it
    legacy_form,    // 1, 3: not a packet of this old client
    legacy_type,    // 3: a kind of message that is not taken from this old client: a command, or NAT
    count_,
};

inline constexpr std::size_t kRejects = static_cast<std::size_t>(Reject::count_);

std::string_view name_of(Reject reason);
Reject reject_of(RequestFault fault);

} // namespace xk::authz
