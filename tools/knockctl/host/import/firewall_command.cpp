// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/import/firewall_command.h"

#include "tools/knockctl/host/import/lines.h"

#include <algorithm>

namespace xk::tools::takeover {
namespace {

using CommandWords = std::vector<std::string_view>;

// The word behind one of these; empty where there is none.
std::string_view behind(const CommandWords& words, std::initializer_list<std::string_view> options) {
    for (std::size_t i = 0; i < words.size(); ++i)
        for (const std::string_view option : options) {
            if (words[i] == option && i + 1 < words.size())
                return words[i + 1];
            if (words[i].size() > option.size() && words[i].starts_with(option) && words[i][option.size()] == '=')
                return words[i].substr(option.size() + 1);
        }
    return {};
}

bool has_word(const CommandWords& words, std::initializer_list<std::string_view> any) {
    return std::ranges::any_of(any,
                               [&](std::string_view word) { return std::ranges::find(words, word) != words.end(); });
}

IpProtocol protocol_of(std::string_view name) {
    return name == "tcp" ? IpProtocol::tcp : name == "udp" ? IpProtocol::udp : IpProtocol::none;
}

// False where one of them is no port.
bool add_ports(OpenedPorts& opened, IpProtocol protocol, std::string_view list) {
    const auto items = split(list, ", {}");
    for (const std::string_view item : items) {
        const auto port = protocol == IpProtocol::none ? std::nullopt : port_range(protocol, item);
        if (!port)
            return false;
        if (std::ranges::find(opened.ports, *port) == opened.ports.end())
            opened.ports.push_back(*port);
    }
    return !items.empty();
}

bool read_iptables(const CommandWords& words, OpenedPorts& opened) {
    const std::string_view chain = behind(words, {"-A", "-I", "--append", "--insert"});
    if (has_word(words, {"-D", "--delete"}))
        return opened.closes = true;
    const std::string_view table = behind(words, {"-t", "--table"});
    const std::string_view verdict = behind(words, {"-j", "--jump"});
    if (chain.empty() || chain == "FORWARD" || chain == "OUTPUT" || (!table.empty() && table != "filter") ||
        verdict != "ACCEPT" || has_word(words, {"!"}))
        return false;
    opened.is_for_anybody |= behind(words, {"-s", "--source", "--src"}).empty();
    const std::string_view one = behind(words, {"--dport", "--destination-port"});
    return add_ports(opened, protocol_of(behind(words, {"-p", "--protocol", "--proto"})),
                     one.empty() ? behind(words, {"--dports", "--destination-ports"}) : one);
}

bool read_nft(const CommandWords& words, OpenedPorts& opened) {
    if (has_word(words, {"delete", "destroy", "flush"}))
        return opened.closes = true;
    if (!has_word(words, {"rule"}) || !has_word(words, {"accept"}) || has_word(words, {"forward", "FORWARD"}))
        return false;
    const auto at = std::ranges::find(words, std::string_view("dport"));
    if (at == words.end() || at == words.begin() || at + 1 == words.end())
        return false;
    opened.is_for_anybody |= !has_word(words, {"saddr"});
    std::string list(at[1]);
    for (auto word = at + 2; list.starts_with('{') && list.find('}') == list.npos && word != words.end(); ++word)
        list += "," + std::string(*word);
    return add_ports(opened, protocol_of(at[-1]), list);
}

// "ufw allow 22/tcp", "ufw insert 1 allow proto tcp from X to any port 22"
bool read_ufw(const CommandWords& words, OpenedPorts& opened) {
    if (has_word(words, {"delete"}))
        return opened.closes = true;
    const auto allow = std::ranges::find(words, std::string_view("allow"));
    if (allow == words.end() || has_word(words, {"route", "out"}))
        return false;
    opened.is_for_anybody |= !has_word(words, {"from"});
    std::string_view port = behind(words, {"port"}), protocol = behind(words, {"proto"});
    if (port.empty() && allow + 1 != words.end())
        port = allow[1] == "in" && allow + 2 != words.end() ? allow[2] : allow[1];
    if (const auto slash = port.find('/'); slash != port.npos) {
        protocol = port.substr(slash + 1);
        port = port.substr(0, slash);
    }
    if (!protocol.empty())
        return add_ports(opened, protocol_of(protocol), port);
    return add_ports(opened, IpProtocol::tcp, port) && add_ports(opened, IpProtocol::udp, port); // ufw means both
}

bool read_firewalld(const CommandWords& words, OpenedPorts& opened) {
    if (!behind(words, {"--remove-port", "--remove-rich-rule", "--remove-service"}).empty())
        return opened.closes = true;
    const std::string_view port = behind(words, {"--add-port"});
    const auto slash = port.find('/');
    opened.is_for_anybody = true;
    return slash != port.npos && add_ports(opened, protocol_of(port.substr(slash + 1)), port.substr(0, slash));
}

void read_one(std::string_view command, OpenedPorts& opened) {
    CommandWords words = split(command, " \t\"'");
    while (!words.empty() && (words.front() == "sudo" || words.front() == "exec"))
        words.erase(words.begin());
    if (words.empty())
        return;
    const std::string_view program = words.front().substr(words.front().rfind('/') + 1);
    bool is_known = false;
    if (program == "iptables" || program == "ip6tables")
        is_known = read_iptables(words, opened);
    else if (program == "nft")
        is_known = read_nft(words, opened);
    else if (program == "ufw")
        is_known = read_ufw(words, opened);
    else if (program == "firewall-cmd")
        is_known = read_firewalld(words, opened);
    opened.has_unknown |= !is_known;
}

} // namespace

OpenedPorts opened_by(std::string_view command) {
    OpenedPorts opened;
    for (const std::string_view part : split(command, ";&|"))
        read_one(trimmed(part), opened);
    return opened;
}

} // namespace xk::tools::takeover
