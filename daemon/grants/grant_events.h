// SPDX-License-Identifier: MIT
//
// GrantEvents: tells whoever wants to know that pinholes have ended, and that a service opened for somebody or closed
// again. This is the one place that takes the book's lists of what began and ended; Daemon::after_changes() has it
// tell, after everything that changes pinholes and on every tick. So an end by time is told within a second, and all
// others at once.
//
// A visit is one credential at one service from one address, for as long as it holds any pinhole of it: a knock that
// comes again, or that opens more of the service, begins no new one.
#pragma once

#include "daemon/grants/grants.h"

#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace xk {

struct Visit {
    std::string user;
    std::string device; // empty: the operator
    std::string service;
    Address source;
};

// Called while nothing is being changed. What a listener does must not wait for anybody.
class GrantListener {
  public:
    virtual ~GrantListener() = default;
    // One holder has come to hold one pinhole; also told of those that a daemon before us granted.
    virtual void pinhole_began(const authz::GrantBook::Began&) {}
    // One holder has ceased to hold one pinhole, in whatever way.
    virtual void pinhole_ended(const authz::GrantBook::Ended&) {}
    virtual void visit_began(const Visit&, std::chrono::seconds /*lifetime*/) {}
    virtual void visit_ended(const Visit&) {}
};

class GrantEvents {
  public:
    explicit GrantEvents(Grants& pinholes) : grants_(pinholes) {}

    void add(GrantListener& listener) { listeners_.push_back(&listener); }

    // What a daemon before us granted: these visits go on, and nobody is told that they began.
    void adopt(const authz::Policy& policy);
    void tell(const authz::Policy& policy, BootTime now);

  private:
    using Key = std::tuple<wire::CredentialId, Address, std::string>; // by the name of the service
    struct Entry {
        Visit visit;
        std::size_t pinholes = 0;
    };
    using Held = std::pair<authz::Pinhole, wire::CredentialId>;

    void tell_began(const authz::GrantBook::Began& began);
    const Visit* begin(const authz::GrantBook::Began& began, const authz::Policy& policy);
    void end(const authz::GrantBook::Ended& ended);

    Grants& grants_;
    std::vector<GrantListener*> listeners_;
    std::map<Key, Entry> visits_;
    std::map<Held, Key> held_; // its service may be gone from the configuration, or have another name, when it ends
};

} // namespace xk
