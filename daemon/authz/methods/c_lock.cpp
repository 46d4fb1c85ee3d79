// SPDX-License-Identifier: MIT
#include "daemon/authz/methods/c_lock.h"

#include "daemon/authz/methods/ports.h"
#include "daemon/authz/sequences.h"

namespace xk::authz {
namespace {

class ClockMethod : public PortsMethod {
  public:
    explicit ClockMethod(const MethodParts& parts)
        : PortsMethod(parts.policy, {'c', 'l', 'k'}), factors_(parts.factors) {}

  private:
    std::vector<std::uint16_t> ports_of(std::uint32_t place, Slot slot) const override {
        if (!can_use_c_lock(policy().credentials[place]))
            return {};
        return clock_ports_of(factors_[place], slot, policy().settings.c_lock.ports);
    }
    void fill(Claim& claim, Slot slot) const override {
        claim.evidence.kind = FactorKind::totp;
        claim.evidence.step = slot;
        claim.wanted.service = policy().settings.c_lock.opens;
    }

    const Secret<FactorSecret>& factors_;
};

} // namespace

std::unique_ptr<Method> make_c_lock_method(const MethodParts& parts) { return std::make_unique<ClockMethod>(parts); }

} // namespace xk::authz
