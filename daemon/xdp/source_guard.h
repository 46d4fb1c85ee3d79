// SPDX-License-Identifier: MIT
//
// SourceGuard writes protected ports and the sources that have a grant into the filter, which drops SYNs of all others
// at the NIC. SynGuard (syn_guard.h) is the real one and states what must hold; the unit tests have another one, which
// needs no kernel.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"
#include "protocol/service.h"

#include <set>
#include <span>

namespace xk::xdp {

class SourceGuard {
  public:
    virtual ~SourceGuard() = default;

    virtual void switch_off() = 0;
    virtual void switch_on(BootTime now) = 0;
    virtual bool is_on() const = 0;

    // Call these only while it is off.
    virtual void set_ports(std::span<const PortRange> ports) = 0;
    virtual Result<void> set_allowed(std::span<const Prefix> networks) = 0;
    // Call it at any time.
    virtual void set_local(const std::set<Address>& addresses) = 0;

    // Call it before a grant of this source is written; `end` is the grant's. If the source cannot be written, the
    // guard is off until then.
    virtual void admit(const Address& source, BootTime end) = 0;
    // Call it after grants of this source ended: it has no grant that ends later than `end`.
    virtual void limit(const Address& source, BootTime end) = 0;
    // Forgets sources whose time is over.
    virtual void expire(BootTime now) = 0;
};

} // namespace xk::xdp
