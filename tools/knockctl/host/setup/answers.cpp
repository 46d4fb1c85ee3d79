// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/setup/answers.h"

#include "protocol/base/quote.h"
#include "tools/knockctl/host/setup/words.h"
#include "tools/knockctl/host/spool.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

namespace xk::tools::setup {
namespace {

bool is_host_name(const std::string& word) {
    return word.size() <= 253 && word.front() != '-' && word.front() != '.' && std::ranges::all_of(word, [](char c) {
               return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_';
           });
}

} // namespace

HostFacts facts_of_this_host() {
    return {.resolves =
                [](const std::string& name) {
                    addrinfo* list = nullptr;
                    const bool found = ::getaddrinfo(name.c_str(), nullptr, nullptr, &list) == 0;
                    if (found)
                        ::freeaddrinfo(list);
                    return found;
                },
            .is_login = check_login};
}

std::vector<std::string> words_of(const std::string& text) {
    std::vector<std::string> words;
    std::string word;
    for (const char c : text + " ") {
        if (c != ' ' && c != '\t' && c != ',') {
            word += c;
        } else if (!word.empty()) {
            words.push_back(word);
            word.clear();
        }
    }
    return words;
}

Result<std::vector<Prefix>> parse_allow(const std::vector<std::string>& words, const Surroundings& around) {
    std::vector<Prefix> networks;
    for (const std::string& word : words) {
        if (words.size() == 1 && (word == "nobody" || word == "none"))
            return networks;
        if (word == "mine" && !around.caller)
            return usage_error("\"mine\" is the address of your ssh session, and you did not come by ssh",
                               "name an address or a network, like 203.0.113.0/24");
        auto network = word == "mine" ? Result(Prefix::of(*around.caller)) : Prefix::parse(word);
        if (!network)
            return usage_error(network.error().message, network.error().hint.empty()
                                                            ? "write 203.0.113.0/24, mine or nobody"
                                                            : network.error().hint);
        if (network->length == (network->address.is_v4() ? 96 : 0))
            return usage_error(in_quotes(word) + " is everybody: nothing would be hidden",
                               "name your own networks, or nobody");
        if (std::ranges::count(networks, *network) == 0)
            networks.push_back(*network);
    }
    return networks;
}

Result<std::vector<std::string>> parse_interfaces(const std::vector<std::string>& words, const Surroundings& around) {
    std::vector<std::string> names, known;
    for (const Interface& interface : around.interfaces)
        known.push_back(interface.name);
    for (const std::string& word : words) {
        const bool below = std::ranges::any_of(
            around.interfaces, [&](const Interface& i) { return std::ranges::count(i.below, word) > 0; });
        if (!below && std::ranges::count(known, word) == 0) {
            std::string all;
            for (const std::string& name : known)
                all += (all.empty() ? "" : ", ") + printable(name);
            return usage_error("there is no interface " + in_quotes(word), "those of this host: " + all);
        }
        if (std::ranges::count(names, word) == 0)
            names.push_back(word);
    }
    if (names.empty())
        return usage_error("without an interface no knock is heard", "--interface names the one by which clients come");
    return names;
}

Result<std::uint16_t> parse_knock_port(const std::string& text) {
    std::uint16_t port = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (code != std::errc{} || end != text.data() + text.size() || port == 0)
        return usage_error(in_quotes(text) + " is not a UDP port", "a number from 1 to 65535, without \"udp/\"");
    return port;
}

Result<std::string> parse_name(const std::string& text, const std::string& what) {
    if (!is_name(text))
        return usage_error(in_quotes(text) + " is not a name for a " + what,
                           "1 to 32 letters, digits, \"-\", \"_\" or \".\"; the first is a letter or a digit");
    return text;
}

Result<FactorKind> parse_factor(const std::string& text) {
    for (const FactorKind kind : {FactorKind::totp, FactorKind::hotp, FactorKind::hmac, FactorKind::none})
        if (lower(text) == name_of(kind))
            return kind;
    return usage_error(in_quotes(text) + " is not a second factor",
                       "totp (codes of a phone), hotp (codes by a counter), hmac (for a machine), none");
}

Result<std::vector<std::string>> parse_hosts(const std::vector<std::string>& words) {
    std::vector<std::string> hosts;
    for (const std::string& word : words) {
        if (word.find('@') != std::string::npos)
            return usage_error(in_quotes(word) + " has a login in it",
                               "the host alone, like " + printable(word.substr(word.find('@') + 1)));
        if (!Address::parse(word) && !is_host_name(word))
            return usage_error(in_quotes(word) + " is not a host",
                               word.find(':') != std::string::npos || word.find('/') != std::string::npos
                                   ? "a name or an address alone, without a port and without \"ssh://\""
                                   : "write server.example.net or 203.0.113.5");
        if (std::ranges::count(hosts, word) == 0)
            hosts.push_back(word);
    }
    if (hosts.empty())
        return usage_error("clients need a name or an address of this host", "write server.example.net or 203.0.113.5");
    return hosts;
}

std::string unknown_host(const std::vector<std::string>& hosts, const HostFacts& facts) {
    const auto found = std::ranges::find_if(
        hosts, [&](const std::string& host) { return !Address::parse(host) && !facts.resolves(host); });
    return found == hosts.end() ? "" : *found;
}

Result<void> check_together(const Answers& answers) {
    const Endpoint knocks{IpProtocol::udp, answers.port};
    for (const Hidden& hidden : answers.hidden)
        for (const PortRange& ports : hidden.ports)
            if (ports.has(knocks))
                return usage_error(ports.text() + " is the port of knocks itself",
                                   "hide others, or knock at another: --port");
    return {};
}

} // namespace xk::tools::setup
