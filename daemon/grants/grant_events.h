// SPDX-License-Identifier: MIT
//
// GrantEvents: tells whoever wants to know that grants and pinholes began and ended. This is the one place that takes
// the book's lists of what changed; report() is called after everything that changes grants and on every tick. So an
// end by time is reported within a second, and all others at once.
//
// A grant is one credential at one service from one address, for as long as it holds any pinhole of it: a knock that
// comes again, or that opens more of the service, begins no new one.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/grants/grants.h"

#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace xk {

// For those who keep something of each pinhole. Called while nothing is being changed; it must not wait for anybody.
class PinholeListener {
  public:
    virtual ~PinholeListener() = default;
    // One holder has come to hold one pinhole; also reported of those that a daemon before us granted.
    virtual void on_pinhole_began(const authz::GrantBook::Began&) {}
    // One holder has ceased to hold one pinhole, in whatever way.
    virtual void on_pinhole_ended(const authz::GrantBook::Ended&) {}
};

class GrantEvents {
  public:
    GrantEvents(Grants& grants, authz::EventSink& sink) : grants_(grants), sink_(sink) {}

    void add_listener(PinholeListener& listener) { listeners_.push_back(&listener); }

    // What a daemon before us granted: these grants go on, and no event says that they began.
    void adopt(const authz::Policy& policy);
    void report(const authz::Policy& policy, const Now& now);

  private:
    using Key = std::tuple<wire::CredentialId, Address, std::string>; // by the name of the service
    struct Grant {
        std::string user;
        std::string device; // empty: the operator
        std::set<authz::Pinhole> pinholes;
    };
    using Held = std::pair<authz::Pinhole, wire::CredentialId>;

    // The grant, where this pinhole is the first of it.
    const Key* enter(const authz::GrantBook::Began& began, const authz::Policy& policy);
    void report_ended(const authz::GrantBook::Ended& ended, const Now& now);
    void report_began(const authz::GrantBook::Began& began);
    void report_prolonged(const Now& now);
    authz::Event event_of(authz::EventKind kind, const Key& key, const Now& now) const;
    // How long the credential still holds any of the grant's pinholes.
    std::chrono::seconds time_left(const Key& key, const Now& now) const;

    Grants& grants_;
    authz::EventSink& sink_;
    std::vector<PinholeListener*> listeners_;
    std::map<Key, Grant> open_;
    std::map<Held, Key> held_; // its service may be gone from the configuration, or have another name, when it ends
};

} // namespace xk
