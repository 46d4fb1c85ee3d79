// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/ssh_caller.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

namespace xk {
namespace {

constexpr int kGenerations = 32;              // the most parents that are read
constexpr std::size_t kEnvironment = 1 << 20; // bytes of one process that are read
constexpr int kEstablished = 1;               // TCP_ESTABLISHED

std::string proc(pid_t pid, const char* name) { return "/proc/" + std::to_string(pid) + "/" + name; }

// Returns the inode of the network namespace, or 0 where we may not read it.
ino_t network_of(pid_t pid) {
    struct stat st {};
    return ::stat(proc(pid, "ns/net").c_str(), &st) == 0 ? st.st_ino : 0;
}

pid_t parent_of(pid_t pid) {
    std::ifstream file(proc(pid, "status"));
    for (std::string line; std::getline(file, line);)
        if (line.rfind("PPid:", 0) == 0)
            return static_cast<pid_t>(std::strtol(line.c_str() + 5, nullptr, 10));
    return 0;
}

// Returns the value of SSH_CONNECTION ("192.0.2.2 40000 192.0.2.1 22"), else that of SSH_CLIENT. Empty where the
// process has neither.
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

// Parses the kernel's text: the address in 32-bit words of this host's byte order, and the port.
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

// Parses "client port server port". The value of SSH_CLIENT lacks the server's address, so it is refused. A link-local
// address is followed by "%" and its interface.
std::optional<TcpSession> parse_connection(const std::string& text) {
    std::istringstream words(text);
    std::string client, server;
    unsigned client_port = 0, port = 0;
    if (!(words >> client >> client_port >> server >> port) || client_port > UINT16_MAX || port > UINT16_MAX)
        return std::nullopt;
    const auto from = Address::parse(client.substr(0, client.find('%')));
    const auto to = Address::parse(server.substr(0, server.find('%')));
    if (!from || !to)
        return std::nullopt;
    return TcpSession{*from, static_cast<std::uint16_t>(client_port), *to, static_cast<std::uint16_t>(port)};
}

} // namespace

std::vector<TcpSession> tcp_sessions() {
    std::vector<TcpSession> sessions;
    for (const char* name : {"/proc/net/tcp", "/proc/net/tcp6"}) {
        std::ifstream file(name);
        std::string line, number, local, remote, state;
        std::getline(file, line); // the heading
        while (std::getline(file, line)) {
            std::istringstream(line) >> number >> local >> remote >> state;
            const auto here = parse_end(local), there = parse_end(remote);
            if (here && there && std::strtol(state.c_str(), nullptr, 16) == kEstablished)
                sessions.push_back({there->first, there->second, here->first, here->second});
        }
    }
    return sessions;
}

SshCaller ssh_caller() {
    std::string found;
    const ino_t ours = network_of(::getpid());
    pid_t pid = ::getpid();
    for (int i = 0; i < kGenerations && pid > 0; ++i, pid = parent_of(pid)) {
        const ino_t network = network_of(pid);
        if (network == 0) // the first process of a container, for example
            break;
        if (network != ours)
            return {}; // the environment comes from that namespace
        const std::string connection = connection_of(pid);
        if (!found.empty() && connection != found)
            break; // sshd(8) itself, for example
        found = connection;
    }
    SshCaller caller;
    if (const auto client = Address::parse(found.substr(0, found.find_first_of(" %"))))
        caller.client = *client;
    // In a terminal multiplexer the environment may be that of a session that ended long ago.
    const auto session = parse_connection(found);
    if (session && std::ranges::count(tcp_sessions(), *session) > 0)
        caller.session = session;
    return caller;
}

} // namespace xk
