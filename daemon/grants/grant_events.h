// SPDX-License-Identifier: MIT
//
// GrantEvents reports that grants and pinholes began and ended. Only it takes the book's lists of changes. report() is
// called after everything that changes grants and on every tick, so an end by time is reported within a second and
// every other end at once.
//
// A grant is one credential at one service from one address. It lasts as long as the credential holds any pinhole of
// the service from there. A second knock for the same service begins no new grant.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/grants/grants.h"

#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace xk {

// PinholeListener is for parts that keep something for each pinhole. Its functions are called while no change is under
// way, and they must not block.
class PinholeListener {
  public:
    virtual ~PinholeListener() = default;
    // One holder has come to hold one pinhole. Pinholes of an earlier daemon are reported too.
    virtual void on_pinhole_began(const authz::GrantBook::Began&) {}
    // One holder has ceased to hold one pinhole, for any cause.
    virtual void on_pinhole_ended(const authz::GrantBook::Ended&) {}
};

class GrantEvents {
  public:
    GrantEvents(Grants& grants, authz::EventSink& sink) : grants_(grants), sink_(sink) {}

    void add_listener(PinholeListener& listener) { listeners_.push_back(&listener); }

    // Takes over the grants of an earlier daemon: they go on, so no event says that they begin.
    void adopt(const authz::Policy& policy);
    void report(const authz::Policy& policy, const Now& now);

  private:
    using Key = std::tuple<wire::CredentialId, Address, std::string>; // the string is the name of the service
    struct Grant {
        std::string user;
        std::string device;                // empty: the operator
        std::set<authz::Pinhole> pinholes; // open now
        std::set<authz::Pinhole> all;      // open now, or ended before the grant
    };
    using Held = std::pair<authz::Pinhole, wire::CredentialId>;

    // Returns the grant of this pinhole, if the pinhole is its first one; else null.
    const Key* enter(const authz::GrantBook::Began& began, const authz::Policy& policy);
    void report_ended(const authz::GrantBook::Ended& ended, const Grants::Barred& barred, const Now& now);
    void report_began(const authz::GrantBook::Began& began);
    void report_prolonged(const Now& now);
    authz::Event event_of(authz::EventKind kind, const Key& key, const Now& now) const;
    // Returns how long the credential still holds any of the grant's pinholes.
    std::chrono::seconds time_left(const Key& key, const Now& now) const;

    Grants& grants_;
    authz::EventSink& sink_;
    std::vector<PinholeListener*> listeners_;
    std::map<Key, Grant> open_;
    std::map<Held, Key> held_; // kept because the service may be renamed or deleted before the grant ends
};

} // namespace xk
