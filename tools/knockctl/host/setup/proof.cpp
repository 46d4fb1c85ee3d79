// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/setup/proof.h"

#include "tools/knockctl/host/setup/answers.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <sstream>
#include <utility>

namespace xk::tools::setup {
namespace {

using nlohmann::json;

constexpr unsigned kEstablished = 1, kListen = 10; // TCP_ESTABLISHED, TCP_LISTEN
// The kernel counts a process's beginning in hundredths of a second, rounded down.
constexpr std::chrono::milliseconds kTick{10};
// A connection is seen at the next look.
constexpr std::chrono::seconds kLate{1};

// "0100007F:0016": the address in 32-bit words of this host's byte order, and the port.
std::optional<std::pair<Address, std::uint16_t>> parse_end(const std::string& text) {
    const auto colon = text.find(':');
    if (colon != 8 && colon != 32)
        return std::nullopt;
    Bytes<16> bytes{};
    for (std::size_t at = 0; at < colon; at += 8) {
        const auto word = static_cast<std::uint32_t>(std::strtoul(text.substr(at, 8).c_str(), nullptr, 16));
        std::memcpy(bytes.data() + at / 2, &word, sizeof word);
    }
    const auto port = static_cast<std::uint16_t>(std::strtoul(text.c_str() + colon + 1, nullptr, 16));
    return std::pair(colon == 32 ? Address{bytes} : Address::v4(bytes[0], bytes[1], bytes[2], bytes[3]), port);
}

// The ports of this host itself: "tcp/22 of 203.0.113.7" is one of a host behind it.
std::vector<PortRange> ports_in(const std::string& grants) {
    std::vector<PortRange> ports;
    std::istringstream parts(grants);
    for (std::string part; std::getline(parts, part, ',');)
        if (const auto range = PortRange::parse(part.substr(std::min(part.find_first_not_of(' '), part.size()))))
            ports.push_back(*range);
    return ports;
}

bool is_allowed(const config::Config& config, const Address& address) {
    return address.is_loopback() ||
           std::ranges::any_of(config.allow, [&](const Prefix& network) { return network.contains(address); });
}

bool has_port(const std::vector<PortRange>& ranges, std::uint16_t port) {
    return std::ranges::any_of(ranges, [&](const PortRange& range) { return range.has({IpProtocol::tcp, port}); });
}

// One that was there before may be new all the same: this program may have begun to look later than the connection. Its
// process tells.
bool began_in(const Connection& connection, const KnockGrant& grant) {
    return (connection.seen && *connection.seen >= grant.begun && *connection.seen - kLate <= grant.ended) ||
           (connection.process && *connection.process + kTick > grant.begun && *connection.process <= grant.ended);
}

// What was said of a grant's end.
void end_grant(std::vector<KnockGrant>& grants, const std::string& who, const Address& address, BootTime when) {
    for (KnockGrant& grant : grants)
        if (grant.who == who && grant.address == address && grant.ended == BootTime::max())
            grant.ended = when;
}

std::int64_t boot_ns(const json& event) {
    const auto field = event.find("boot_ns");
    return field != event.end() && field->is_number_integer() ? field->get<std::int64_t>() : 0;
}

std::string text_field(const json& event, const char* name) {
    const auto field = event.find(name);
    return field != event.end() && field->is_string() ? field->get<std::string>() : "";
}

} // namespace

std::vector<KnockGrant> knock_grants(const json& reply) {
    std::vector<KnockGrant> grants;
    const auto events = reply.find("events");
    if (events == reply.end() || !events->is_array())
        return grants;
    bool on_trial = false;
    for (const json& event : *events) {
        const std::string kind = text_field(event, "kind");
        // What came before this trial is no part of it. Who puts it off says "try" once more.
        if (kind == "trial_begun" && !std::exchange(on_trial, true))
            grants.clear();
        if (kind == "trial_confirmed")
            on_trial = false;
        const std::string who = text_field(event, "user") + "/" + text_field(event, "device");
        const auto address = Address::parse(text_field(event, "address"));
        const BootTime when{std::chrono::nanoseconds(boot_ns(event))};
        if (kind == "grant_ended" && address)
            end_grant(grants, who, *address, when);
        // The operator has no device. Sessions that prolong their own grant say so in `detail`.
        if (!address || (kind != "grant_begun" && kind != "grant_prolonged") || text_field(event, "device").empty() ||
            !text_field(event, "detail").empty())
            continue;
        grants.push_back({who, *address, ports_in(text_field(event, "grants")), when});
    }
    return grants;
}

std::vector<TableRow> parse_connections(const std::string& table) {
    std::vector<TableRow> rows;
    std::istringstream lines(table);
    std::string line;
    std::getline(lines, line); // the heading
    while (std::getline(lines, line)) {
        std::istringstream fields(line);
        std::string number, local, remote, state, skip;
        fields >> number >> local >> remote >> state;
        for (int i = 0; i < 5; ++i)
            fields >> skip;
        std::uint64_t inode = 0;
        const auto here = parse_end(local), there = parse_end(remote);
        if (!(fields >> inode) || !here || !there)
            continue;
        const auto code = std::strtoul(state.c_str(), nullptr, 16);
        if (code == kListen)
            continue;
        TableRow row;
        row.connection.session = {there->first, there->second, here->first, here->second};
        row.connection.established = code == kEstablished;
        row.connection.taken = inode != 0;
        row.inode = inode;
        rows.push_back(row);
    }
    return rows;
}

std::string ends_of(const TcpSession& session) {
    return session.remote.text() + " " + std::to_string(session.remote_port) + " " + session.local.text() + " " +
           std::to_string(session.local_port);
}

Sightings::Sightings(const std::vector<Connection>& before) {
    for (const Connection& connection : before)
        seen_[ends_of(connection.session)] = std::nullopt;
}

void Sightings::note(std::vector<Connection>& connections, BootTime now) {
    std::map<std::string, std::optional<BootTime>> present;
    for (Connection& connection : connections) {
        const auto known = seen_.find(ends_of(connection.session));
        connection.seen = known == seen_.end() ? std::optional(now) : known->second;
        present[ends_of(connection.session)] = connection.seen;
    }
    seen_ = std::move(present);
}

std::optional<Proof> find_proof(const std::vector<KnockGrant>& grants, const std::vector<Connection>& connections,
                                const config::Config& config) {
    for (const Connection& connection : connections) {
        const TcpSession& session = connection.session;
        if (!connection.established || !connection.taken || is_allowed(config, session.remote))
            continue;
        const auto fits = [&](const KnockGrant& grant) {
            return grant.address == session.remote && has_port(grant.ports, session.local_port) &&
                   began_in(connection, grant);
        };
        if (const auto grant = std::find_if(grants.rbegin(), grants.rend(), fits); grant != grants.rend())
            return Proof{grant->who, session};
    }
    return std::nullopt;
}

std::set<Address> allowed_visitors(const std::vector<Connection>& connections, const config::Config& config) {
    std::set<Address> visitors;
    for (const Connection& connection : connections) {
        const TcpSession& session = connection.session;
        if (!connection.established || session.remote.is_loopback() || !connection.seen)
            continue;
        for (const authz::Service& service : config.policy.services)
            if (!service.is_behind() && is_allowed(config, session.remote) &&
                has_port({service.all_ports().begin(), service.all_ports().end()}, session.local_port))
                visitors.insert(session.remote);
    }
    return visitors;
}

} // namespace xk::tools::setup
