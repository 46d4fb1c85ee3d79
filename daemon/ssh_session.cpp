// SPDX-License-Identifier: MIT
#include "daemon/ssh_session.h"

#include "daemon/log.h"
#include "daemon/xdp/own_addresses.h"
#include "protocol/encoding.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

namespace xk {
namespace {

constexpr int kGenerations = 32;        // of parents
constexpr std::size_t kEnvironment = 1 << 20; // bytes of one
constexpr std::size_t kLines = 16;      // of sessions in the log
constexpr int kEstablished = 1;         // TCP_ESTABLISHED

std::string proc(pid_t pid, const char* name) { return "/proc/" + std::to_string(pid) + "/" + name; }

// 0: we may not know.
ino_t network_of(pid_t pid) {
    struct stat st{};
    return ::stat(proc(pid, "ns/net").c_str(), &st) == 0 ? st.st_ino : 0;
}

pid_t parent_of(pid_t pid) {
    std::ifstream file(proc(pid, "status"));
    for (std::string line; std::getline(file, line);)
        if (line.rfind("PPid:", 0) == 0)
            return static_cast<pid_t>(std::strtol(line.c_str() + 5, nullptr, 10));
    return 0;
}

// "192.0.2.2 40000 192.0.2.1 22" of SSH_CONNECTION, or of SSH_CLIENT; empty where a process has neither.
std::string connection_of(pid_t pid) {
    std::ifstream file(proc(pid, "environ"), std::ios::binary);
    std::string environment(kEnvironment, '\0');
    file.read(environment.data(), static_cast<std::streamsize>(environment.size()));
    environment.resize(static_cast<std::size_t>(file.gcount()));
    std::istringstream entries(environment);
    std::string client;
    for (std::string entry; std::getline(entries, entry, '\0');) {
        if (entry.rfind("SSH_CONNECTION=", 0) == 0)
            return entry.substr(15);
        if (entry.rfind("SSH_CLIENT=", 0) == 0)
            client = entry.substr(11);
    }
    return client;
}

bool is_allowed(const config::Config& config, const std::set<Address>& own, const Address& address) {
    return address.is_loopback() || own.count(address) > 0 ||
           std::ranges::any_of(config.allow, [&](const Prefix& network) { return network.contains(address); });
}

// As the kernel prints it: words of the address as numbers of this host, and the port.
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

struct Session {
    Address peer;
    std::uint16_t port = 0; // ours
};

std::vector<Session> tcp_sessions() {
    std::vector<Session> sessions;
    for (const char* name : {"/proc/net/tcp", "/proc/net/tcp6"}) {
        std::ifstream file(name);
        std::string line, number, local, remote, state;
        std::getline(file, line); // the heading
        while (std::getline(file, line)) {
            std::istringstream(line) >> number >> local >> remote >> state;
            const auto here = parse_end(local), there = parse_end(remote);
            if (here && there && std::strtol(state.c_str(), nullptr, 16) == kEstablished)
                sessions.push_back({there->first, here->second});
        }
    }
    return sessions;
}

bool is_protected(const config::Config& config, const Endpoint& endpoint) {
    return std::ranges::any_of(config.policy.services, [&](const gate::Service& service) {
        return !service.is_behind() && std::ranges::any_of(service.all_ports(), [&](const PortRange& ports) {
            return ports.has(endpoint);
        });
    });
}

} // namespace

std::optional<Address> ssh_client() {
    std::string found;
    const ino_t ours = network_of(::getpid());
    pid_t pid = ::getpid();
    for (int i = 0; i < kGenerations && pid > 0; ++i, pid = parent_of(pid)) {
        const ino_t network = network_of(pid);
        if (network == 0) // the first process of a container, say
            break;
        if (network != ours)
            return std::nullopt; // and what was found came from there
        const std::string connection = connection_of(pid);
        if (!found.empty() && connection != found)
            break; // sshd(8), say, of whom the session is
        found = connection;
    }
    // An address of a link has its interface behind it.
    const auto client = Address::parse(found.substr(0, found.find_first_of(" %")));
    return client ? std::optional(*client) : std::nullopt;
}

Result<void> check_session(const config::Config& config, bool only_warn) {
    const auto client = ssh_client();
    if (!client || config.gate_mode == config::GateMode::external)
        return {};
    const auto own = xdp::OwnAddresses::open();
    if (!own)
        return own.error();
    if (is_allowed(config, own->all(), *client))
        return {};
    const std::string who = "your ssh session comes from " + client->text() + ", which has to knock next time";
    if (!only_warn)
        return Error{who, "allow it in gate.allow, or start on trial with \"knockctl try 5m\", or be sure: --force"};
    spdlog::warn("{}", who);
    return {};
}

void log_sessions(const config::Config& config, const std::set<Address>& own_addresses) {
    if (config.gate_mode == config::GateMode::external)
        return;
    std::set<Address> said;
    for (const Session& session : tcp_sessions()) {
        const Endpoint endpoint{IpProtocol::tcp, session.port};
        if (!is_protected(config, endpoint) || is_allowed(config, own_addresses, session.peer) ||
            !said.insert(session.peer).second || said.size() > kLines)
            continue;
        spdlog::warn("session from {} to {} lives on, but {} has to knock next time", session.peer.text(),
                     endpoint.text(), session.peer.text());
    }
    if (said.size() > kLines)
        spdlog::warn("and sessions from {} more addresses", said.size() - kLines);
}

} // namespace xk
