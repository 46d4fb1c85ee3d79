// SPDX-License-Identifier: MIT
//
// InterfacesControl keeps the filter on the interfaces of the configuration that counts. It exchanges all of them or
// none. It sends an event for each interface that gets or loses the filter.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/lifecycle/interfaces.h"
#include "daemon/lifecycle/ports.h"

namespace xk {

class InterfacesControl : public InterfacesPort {
  public:
    // `latest` is the filter that was loaded last, and `counting` the one that counts. They differ only during a
    // reload.
    struct Links {
        LinksPort& latest;
        LinksPort& counting;
    };
    InterfacesControl(Interfaces interfaces, Links links, authz::EventSink& events)
        : interfaces_(std::move(interfaces)), before_(interfaces_), links_(links), events_(events) {}

    Result<void> attach(const config::Config& next, const Now& now) override;
    void go_back() override;

    // Called after a change of the host's interfaces, and on every tick. Returns true when something changed.
    bool keep_attached(const config::Config& config, const Now& now);

    const Interfaces& all() const { return interfaces_; }

  private:
    authz::Event detached(const std::string& name, const Now& now) const;
    // `healed` are interfaces that got a filter back which somebody had taken off.
    void tell(const Interfaces& before, const Now& now, const std::set<std::string>& healed = {});

    Interfaces interfaces_, before_; // before the last attach()
    Links links_;
    authz::EventSink& events_;
};

} // namespace xk
