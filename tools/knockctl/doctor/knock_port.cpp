// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/knock_port.h"

#include "daemon/xdp/forwarding.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/doctor/ports.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace xk::tools {
namespace {

constexpr const char* kSwitches = "/proc/sys/net/ipv4/ip_local_";

std::string line_of(const std::string& path) {
    std::string line;
    std::ifstream in(path);
    std::getline(in, line);
    return line;
}

bool contains(const PortSet& ports, std::uint16_t port) { return !(ports & PortSet::range(port, port)).empty(); }

} // namespace

std::optional<Finding> check_reserved(std::uint16_t port, const std::string& range, const std::string& reserved) {
    std::istringstream in(range);
    std::uint32_t first = 0, last = 0;
    if (!(in >> first >> last) || port < first || port > last || contains(PortSet::parse(reserved, '-'), port))
        return std::nullopt;
    const std::string list = (reserved.empty() ? "" : reserved + ",") + std::to_string(port);
    const std::string setting = "net.ipv4.ip_local_reserved_ports";
    return Finding{Severity::advice, "port",
                   "knock port " + std::to_string(port) +
                       " is among those that the kernel gives to connections of this host (" + std::to_string(first) +
                       "-" + std::to_string(last) + "), and not reserved",
                   "sysctl -w " + setting + "=" + list + ", and \"" + setting + " = " + list +
                       "\" in a file of /etc/sysctl.d, to keep it"};
}

void check_knock_port(const config::Config& config, const std::vector<Listener>& listeners, Findings& findings) {
    const auto before = findings.size();
    if (auto found = check_reserved(config.port, line_of(std::string(kSwitches) + "port_range"),
                                    line_of(std::string(kSwitches) + "reserved_ports")))
        findings.push_back(*found);
    const auto held = std::ranges::find_if(listeners, [&](const Listener& listener) {
        return listener.endpoint.protocol == IpProtocol::udp && listener.endpoint.port == config.port;
    });
    if (held != listeners.end())
        findings.push_back({Severity::advice, "port",
                            (held->program.empty() ? "somebody" : printable(held->program)) +
                                " is bound to the knock port: only answers to what it sends reach it",
                            "give it another port, or the knocks (\"port\")"});
    const auto forwarding = xdp::Forwarding::open();
    if (config.gate_mode == config::GateMode::external && !config.answer_as_closed && forwarding && forwarding->is_on())
        findings.push_back(
            {Severity::advice, "port",
             "this host forwards, and in gate mode \"external\" answers to a client behind it with source "
             "port " +
                 std::to_string(config.port) + " are dropped as noise",
             "\"stealth: closed\" leaves them to your rules, which may drop the rest"});
    if (findings.size() == before)
        findings.push_back({Severity::ok, "port", "the knock port is given to no connection of this host", {}});
}

} // namespace xk::tools
