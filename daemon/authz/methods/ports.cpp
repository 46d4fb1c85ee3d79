// SPDX-License-Identifier: MIT
#include "daemon/authz/methods/ports.h"

#include "daemon/authz/policy_change.h"
#include "daemon/authz/sequences.h"
#include "protocol/sequence.h"

#include <algorithm>
#include <cstring>

namespace xk::authz {
namespace {

// The bytes of a record: struct xk_ports of bpf/abi.h.
struct SentPorts {
    std::array<std::uint16_t, sequence::kMostPorts> port;
    std::uint16_t count;
    std::uint16_t resets;
};
static_assert(sizeof(SentPorts) == 24);

bool are_these(const SentPorts& sent, const std::vector<std::uint16_t>& ports) {
    return !ports.empty() && sent.count == ports.size() &&
           sodium_memcmp(ports.data(), sent.port.data(), ports.size() * sizeof(ports[0])) == 0;
}

// A credential has one sequence of a kind in a slot, so the slot takes the place of the request's id and of the MAC.
KnockId key_of_sequence(const wire::CredentialId& credential, const std::array<std::uint8_t, 3>& name, Slot slot) {
    KnockId key{credential, {name[0], name[1], name[2]}, {}};
    store_be<std::uint64_t>(key.mac, slot);
    std::ranges::copy(key.mac, key.request.begin() + 8);
    return key;
}

} // namespace

std::optional<Unproved> PortsMethod::prove_record(const Record& record, const Now& now, Claim& claim) const {
    // The maps of the filter are not trusted: they only suggest the credential and the slot.
    SentPorts sent;
    const std::uint32_t place = record.credential;
    if (record.bytes.size() != sizeof sent || place >= policy_.credentials.size() ||
        is_empty_place(policy_.credentials[place]) || record.slot >= kLastSlot)
        return Unproved{Reject::ports, std::nullopt};
    std::memcpy(&sent, record.bytes.begin(), sizeof sent);
    if (!are_these(sent, ports_of(place, record.slot)))
        return Unproved{Reject::ports, std::nullopt};
    const auto [from, until] = sequence_life(record.slot);
    if (now.wall_at(record.arrived) < from)
        return Unproved{Reject::future, place};
    claim.credential = place;
    claim.slot = record.slot;
    claim.replay.add(key_of_sequence(policy_.credentials[place].id, name_, record.slot));
    // They may have been sent since the slot began, so they count as made then: a restart must not forget that.
    claim.freshness = {from, std::chrono::duration_cast<std::chrono::seconds>(until - from), false};
    fill(claim, record.slot);
    return std::nullopt;
}

} // namespace xk::authz
