// SPDX-License-Identifier: MIT
//
// The proof that the gate works: a connection to a protected port that began after a knock had opened the port for its
// address. A grant alone proves nothing (another firewall may be in the way), nor does a session that was there before,
// nor one from an address that needs no knock.
#pragma once

#include "daemon/config/config.h"
#include "protocol/base/clock.h"
#include "protocol/base/tcp_session.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace xk::tools::setup {

// Ports that a knock has opened for an address.
struct KnockGrant {
    std::string who; // "anna/laptop"
    Address address;
    std::vector<PortRange> ports;
    BootTime begun;
    BootTime ended = BootTime::max(); // max(): it is open
};
// Of the reply of the verb "events": those that began on trial, and not by the operator.
std::vector<KnockGrant> knock_grants(const nlohmann::json& events);

// A TCP connection of this host.
struct Connection {
    TcpSession session;
    bool established = false;        // else it is on its way there, or ending
    bool taken = false;              // a program has it
    std::optional<BootTime> process; // when the oldest process that has it began
    std::optional<BootTime> seen;    // when it was seen first; none: it was there when the gate had come up
};
std::vector<Connection> read_connections();
// The kernel's table (/proc/net/tcp, tcp6), with the inode of each socket; 0: no program has it.
struct TableRow {
    Connection connection;
    std::uint64_t inode = 0;
};
std::vector<TableRow> parse_connections(const std::string& table);

// When each connection was seen first. Connections are compared by their ends.
class Sightings {
  public:
    // `before`: those that were there when the gate had come up.
    explicit Sightings(const std::vector<Connection>& before);
    // Sets `seen`, and forgets those that are gone: the same ends may come again.
    void note(std::vector<Connection>& connections, BootTime now);

  private:
    std::map<std::string, std::optional<BootTime>> seen_;
};
std::string ends_of(const TcpSession& session);

struct Proof {
    std::string who;
    TcpSession session;
};
// The connection began while the grant was open: it was seen then for the first time, or its process began then.
std::optional<Proof> find_proof(const std::vector<KnockGrant>& grants, const std::vector<Connection>& connections,
                                const config::Config& config);

// Addresses of gate.allow with a connection to a protected port that was not there before: it proves nothing.
std::set<Address> allowed_visitors(const std::vector<Connection>& connections, const config::Config& config);

} // namespace xk::tools::setup
