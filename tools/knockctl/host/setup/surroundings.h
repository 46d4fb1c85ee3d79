// SPDX-License-Identifier: MIT
//
// The host as the set-up finds it: interfaces, routes, programs that listen, sessions, firewalls, the clock, and who
// calls. Nothing is changed. The parsers take the kernel's own texts.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/tcp_session.h"
#include "protocol/service.h"
#include "tools/knockctl/doctor/listeners.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace xk::tools::setup {

struct Interface {
    enum Kind { ordinary, bridge, bond, vlan, other };
    std::string name = {};
    bool up = false;
    bool default_route = false;
    Kind kind = ordinary;
    std::vector<Address> addresses = {}; // without link-local ones
    std::vector<std::string> below = {}; // ports of a bridge or bond that are hardware, the device below a VLAN
};

struct Surroundings {
    std::vector<Interface> interfaces;      // without loopback
    std::vector<Listener> listeners;        // at other addresses than loopback ones
    std::vector<TcpSession> sessions;       // established
    std::optional<Address> caller;          // the other end of the caller's ssh session
    std::optional<TcpSession> own;          // that session, if it is still there
    std::vector<std::string> firewalls;     // "ufw", "firewalld", "table inet filter"
    std::optional<bool> clock_synchronised; // none: the kernel does not say
    std::string host_name;                  // a full name that leads to an address of this host; or empty
    std::string person, login;              // who calls, by sudo or login; and their account
    std::string nothing_of_rules{};         // why the firewalls are not known; else empty
};

Surroundings look_around();

// /proc/net/route and /proc/net/ipv6_route: the interfaces of default routes.
std::set<std::string> default_routes4(const std::string& text);
std::set<std::string> default_routes6(const std::string& text);

// The TCP ports on which ssh is served: those of sshd, and that of the caller's session.
std::vector<PortRange> ssh_ports(const Surroundings& around);

// The interfaces at which knocks are to be heard: those with a default route, that of the caller's session; or where
// there is none of these, all that are up and have an address. A bridge, bond or VLAN is heard by what is below it.
std::vector<std::string> interfaces_for_knocks(const Surroundings& around);

// A name, or else an address, by which clients probably reach this host. May be empty.
std::vector<std::string> probable_hosts(const Surroundings& around);

// What was found, for people.
std::string text_of(const Surroundings& around);

} // namespace xk::tools::setup
