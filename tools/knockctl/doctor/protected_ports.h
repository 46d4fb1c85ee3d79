// SPDX-License-Identifier: MIT
//
// The ports that are shut, packets to them, and findings about them.
#pragma once

#include "tools/knockctl/doctor/firewall.h"
#include "tools/knockctl/doctor/walk.h"

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace xk::tools {

bool is_ours(const Chain& chain);

// The service of this host, or that is entered by it, that has this port.
const authz::Service* service_at(const config::Config& config, const Endpoint& endpoint);

// The ports that are shut on this host; of a range its first and its last.
std::set<Endpoint> local_endpoints(const config::Config& config);

// Protected ports: of this host, or with `target` of a host behind it.
struct ProtectedPort {
    PortRange ports;
    Address target; // unspecified: this host
    const authz::Service* service;

    bool is_local() const { return target == Address{}; }
    // "tcp/22 (ssh)", "tcp/22 of 203.0.113.2 (inside)"
    std::string label() const;
};
std::vector<ProtectedPort> protected_ports(const config::Config& config);

// "tcp/22 (ssh)"
std::string label(const config::Config& config, const Endpoint& endpoint);

enum class Source { granted, stranger };

// To the endpoint at every address of this host, with or without a grant.
Packet packet_of(const Firewall& f, const Endpoint& endpoint, bool v4, const std::string& interface, Source source);

// Calls `each` with every family and interface.
template <typename Each>
void for_all_ways(const Firewall& f, const Endpoint& endpoint, Source source, Each each) {
    for (const std::string& interface : f.config.interfaces)
        for (const bool v4 : {true, false})
            each(packet_of(f, endpoint, v4, interface, source));
}

std::string text_of(const std::vector<Place>& places);

// Findings that differ in family and interface only become one.
class MergedFindings {
  public:
    void add(const std::string& message, const std::string& hint, Severity severity, const Packet& packet);
    bool empty() const { return merged_.empty(); }
    void report(const std::string& check, Findings& findings) const;

  private:
    struct Where {
        std::set<std::string> families, interfaces;
    };
    std::map<std::tuple<std::string, std::string, Severity>, Where> merged_;
};

} // namespace xk::tools
