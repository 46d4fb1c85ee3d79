// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/listeners.h"

#include "protocol/base/entries.h"

#include <dirent.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

namespace xk::tools {
namespace {

namespace fs = std::filesystem;

// The command that holds each socket, by inode.
std::map<std::string, std::string> programs_by_inode() {
    std::map<std::string, std::string> programs;
    std::error_code code;
    for (const auto& process : entries_of("/proc", code)) {
        const std::string pid = process.path().filename();
        if (!std::isdigit(static_cast<unsigned char>(pid[0])))
            continue;
        std::string name;
        std::error_code gone; // a process may end while we look
        for (const auto& fd : entries_of(process.path() / "fd", gone)) {
            const std::string target = fs::read_symlink(fd.path(), gone);
            if (target.rfind("socket:[", 0) != 0)
                continue;
            if (name.empty())
                std::getline(std::ifstream(process.path() / "comm"), name);
            programs[target.substr(8, target.size() - 9)] = name;
        }
    }
    return programs;
}

// "0100007F" or four such words, each in the byte order of this machine.
std::optional<Address> parse_address(const std::string& hex) {
    std::vector<std::uint8_t> bytes;
    for (std::size_t at = 0; at + 8 <= hex.size(); at += 8) {
        const auto word = static_cast<std::uint32_t>(std::stoul(hex.substr(at, 8), nullptr, 16));
        std::uint8_t part[4];
        std::memcpy(part, &word, sizeof part);
        bytes.insert(bytes.end(), part, part + sizeof part);
    }
    if (bytes.size() == 4)
        return Address::v4(bytes[0], bytes[1], bytes[2], bytes[3]);
    if (bytes.size() != 16)
        return std::nullopt;
    Address address;
    std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
    return address;
}

void add_from(const std::string& file, IpProtocol protocol, const std::map<std::string, std::string>& programs,
              std::vector<Listener>& listeners) {
    constexpr unsigned kTcpListen = 10, kUdpUnconnected = 7; // TCP_LISTEN, TCP_CLOSE
    std::ifstream in("/proc/self/net/" + file);
    std::string line;
    std::getline(in, line); // the heading
    while (std::getline(in, line)) {
        std::istringstream fields(line);
        std::string number, local, peer, state, skip, inode;
        fields >> number >> local >> peer >> state;
        for (int i = 0; i < 5; ++i)
            fields >> skip;
        fields >> inode;
        const auto colon = local.find(':');
        if (!fields || colon == local.npos ||
            std::stoul(state, nullptr, 16) != (protocol == IpProtocol::tcp ? kTcpListen : kUdpUnconnected))
            continue;
        const auto address = parse_address(local.substr(0, colon));
        if (!address)
            continue;
        const auto program = programs.find(inode);
        listeners.push_back({{protocol, static_cast<std::uint16_t>(std::stoul(local.substr(colon + 1), nullptr, 16))},
                             *address,
                             file.back() != '6',
                             program == programs.end() ? "" : program->second});
    }
}

} // namespace

std::vector<Listener> list_listeners() {
    const auto programs = programs_by_inode();
    std::vector<Listener> listeners;
    add_from("tcp", IpProtocol::tcp, programs, listeners);
    add_from("tcp6", IpProtocol::tcp, programs, listeners);
    add_from("udp", IpProtocol::udp, programs, listeners);
    add_from("udp6", IpProtocol::udp, programs, listeners);
    return listeners;
}

} // namespace xk::tools
