// SPDX-License-Identifier: MIT
#include "daemon/authz/methods/c_lock.h"

#include "daemon/authz/policy_change.h"
#include "daemon/authz/sequences.h"
#include "protocol/sequence.h"

#include <cstring>

namespace xk::authz {
namespace {

// The bytes of a record: struct xk_ports of bpf/abi.h.
struct ClockPorts {
    std::array<std::uint16_t, sequence::kMostPorts> port;
    std::uint16_t count;
    std::uint16_t resets;
};
static_assert(sizeof(ClockPorts) == 24);

// A credential has one code in a slot, so the slot takes the place of the request's id and of the MAC.
KnockId key_of_clock(const wire::CredentialId& credential, Slot slot) {
    KnockId key{credential, {'c', 'l', 'k'}, {}};
    store_be<std::uint64_t>(key.mac, slot);
    std::ranges::copy(key.mac, key.request.begin() + 8);
    return key;
}

class ClockMethod : public Method {
  public:
    explicit ClockMethod(const MethodParts& parts) : policy_(parts.policy), factors_(parts.factors) {}

    std::optional<Unproved> prove_record(const Record& record, const Now& now, Claim& claim) const override;
    void follow_clock(const Now&) override {}
    void remove_credential(std::uint32_t) override {}
    void add_credential(std::uint32_t) override {}

  private:
    bool are_its_ports(const ClockPorts& sent, std::uint32_t place, Slot slot) const;

    const Policy& policy_;
    const Secret<FactorSecret>& factors_;
};

bool ClockMethod::are_its_ports(const ClockPorts& sent, std::uint32_t place, Slot slot) const {
    const auto ports = clock_ports_of(factors_[place], slot, policy_.settings.c_lock.ports);
    return sent.count == ports.size() &&
           sodium_memcmp(ports.data(), sent.port.data(), ports.size() * sizeof(ports[0])) == 0;
}

std::optional<Unproved> ClockMethod::prove_record(const Record& record, const Now& now, Claim& claim) const {
    // The maps of the filter are not trusted: they only suggest the credential and the slot.
    ClockPorts sent;
    const std::uint32_t place = record.credential;
    if (record.bytes.size() != sizeof sent || place >= policy_.credentials.size() ||
        is_empty_place(policy_.credentials[place]) || !can_use_c_lock(policy_.credentials[place]) ||
        record.slot >= kLastSlot)
        return Unproved{Reject::ports, std::nullopt};
    std::memcpy(&sent, record.bytes.begin(), sizeof sent);
    if (!are_its_ports(sent, place, record.slot))
        return Unproved{Reject::ports, std::nullopt};
    const auto [from, until] = sequence_life(record.slot);
    if (now.wall_at(record.arrived) < from)
        return Unproved{Reject::future, place};
    claim.credential = place;
    claim.slot = record.slot;
    claim.replay.add(key_of_clock(policy_.credentials[place].id, record.slot));
    // They may have been sent since the slot began, so they count as made then: a restart must not forget that.
    claim.freshness = {from, std::chrono::duration_cast<std::chrono::seconds>(until - from), false};
    claim.evidence.kind = FactorKind::totp;
    claim.evidence.step = record.slot;
    claim.wanted.service = policy_.settings.c_lock.opens;
    return std::nullopt;
}

} // namespace

std::unique_ptr<Method> make_c_lock_method(const MethodParts& parts) { return std::make_unique<ClockMethod>(parts); }

} // namespace xk::authz
