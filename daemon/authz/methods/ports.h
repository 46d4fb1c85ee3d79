// SPDX-License-Identifier: MIT
//
// PortsMethod: what both kinds of sequences of ports share. A record has the ports that the filter saw, and the method
// compares them with those that the credential sends in that slot.
#pragma once

#include "daemon/authz/method.h"
#include "protocol/slot.h"

#include <array>
#include <cstdint>
#include <vector>

namespace xk::authz {

class PortsMethod : public Method {
  public:
    // `name` keeps the replay keys of one kind of sequence apart from those of others. The policy outlives the method.
    PortsMethod(const Policy& policy, const std::array<std::uint8_t, 3>& name) : policy_(policy), name_(name) {}

    std::optional<Unproved> prove_record(const Record& record, const Now& now, Claim& claim) const final;
    void follow_clock(const Now&) final {}
    void remove_credential(std::uint32_t) final {}
    void add_credential(std::uint32_t) final {}

  protected:
    const Policy& policy() const { return policy_; }

  private:
    // In host order, at most sequence::kMostPorts. `place` has a credential. Empty: it has none of this kind.
    virtual std::vector<std::uint16_t> ports_of(std::uint32_t place, Slot slot) const = 0;
    // The evidence of the factor, and the service.
    virtual void fill(Claim& claim, Slot slot) const = 0;

    const Policy& policy_;
    std::array<std::uint8_t, 3> name_;
};

} // namespace xk::authz
