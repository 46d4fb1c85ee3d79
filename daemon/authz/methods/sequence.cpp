// SPDX-License-Identifier: MIT
#include "daemon/authz/methods/sequence.h"

#include "daemon/authz/methods/ports.h"
#include "protocol/sequence.h"

namespace xk::authz {
namespace {

class SequenceMethod : public PortsMethod {
  public:
    explicit SequenceMethod(const MethodParts& parts) : PortsMethod(parts.policy, {'s', 'e', 'q'}), keys_(parts.keys) {}

  private:
    std::vector<std::uint16_t> ports_of(std::uint32_t place, Slot slot) const override {
        return sequence::strong_ports(keys_[place].sequence, slot, policy().settings.sequence.ports);
    }
    void fill(Claim& claim, Slot) const override {
        claim.evidence.kind = FactorKind::none;
        claim.wanted.service = policy().settings.sequence.opens;
    }

    const Secret<CredentialKeys>& keys_;
};

} // namespace

std::unique_ptr<Method> make_sequence_method(const MethodParts& parts) {
    return std::make_unique<SequenceMethod>(parts);
}

} // namespace xk::authz
