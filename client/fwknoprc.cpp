// SPDX-License-Identifier: MIT
#include "client/old_client.h"
#include "client/ssh_config.h"
#include "protocol/base/duration.h"
#include "protocol/base/quote.h"

#include <algorithm>
#include <charconv>
#include <map>

namespace xk::client {
namespace {

constexpr std::string_view kDefault = "default";
constexpr const char* kOwnKey = "a profile has a key of its own, from the enrolment";
constexpr const char* kOneForm = "knocks have one form: 192 bytes, always encrypted and authenticated";
constexpr const char* kNoWeb = "nobody is asked over the web; \"stun\" in the profile names a STUN server";

// Variables of fwknop's client by the beginning of their names, and why nothing corresponds to them.
struct Reason {
    std::string_view beginning;
    const char* why;
};
constexpr Reason kReasons[] = {
    {"KEY", kOwnKey},
    {"HMAC_KEY", kOwnKey},
    {"USE_HMAC", kOneForm},
    {"HMAC_DIGEST_TYPE", kOneForm},
    {"DIGEST_TYPE", kOneForm},
    {"ENCRYPTION_MODE", kOneForm},
    {"SPA_SERVER_PORT", "the enrolled profile has the server's knock port"},
    {"SPA_SERVER_PROTO", "knocks are UDP; \"knock-client sequence --tcp\" is another way"},
    {"SPA_SOURCE_PORT", "the system chooses the port"},
    {"RAND_PORT", "the knock port is fixed; \"knock-client sequence\" knocks at changing ports"},
    {"TIME_OFFSET", "the clock must be right, or \"mode: handshake\" asks the server for its own"},
    {"SPOOF_USER", "the credential names the user"},
    {"SPOOF_SOURCE_IP", "a knock has its own source"},
    {"USE_GPG", kOwnKey},
    {"GPG_", kOwnKey},
    {"NAT_LOCAL", "a service of the server may be behind it: \"tcp/22@HOST\""},
    {"NAT_RAND_PORT", "the operator publishes a port: see gateway"},
    {"NAT_PORT", "the operator publishes a port: see gateway"},
    {"CMD_", "a knock runs no command; hooks are the server's"},
    {"RESOLVE_", kNoWeb},
    {"WGET_", kNoWeb},
    {"HTTP_USER_AGENT", kNoWeb},
    {"SERVER_RESOLVE_IPV4", "\"family: ipv4\" in the profile, or -4"},
    {"SAVE_", "nothing is remembered"},
    {"NO_SAVE_ARGS", "nothing is remembered"},
    {"VERBOSE", "-v"},
};

const char* reason_of(std::string_view key) {
    for (const auto& [beginning, why] : kReasons)
        if (key.starts_with(beginning))
            return why;
    return "it is no variable of fwknop that is known here";
}

using Stanza = std::map<std::string, std::string>;

// One line as fwknop reads it: a value ends at a blank, a ";" or a "#".
struct Line {
    std::string key, value;
};
Line split_line(std::string_view line) {
    constexpr std::string_view kBlanks = " \t\r=";
    const auto skip = [&](std::string_view text) {
        const std::size_t at = text.find_first_not_of(kBlanks);
        return at == text.npos ? std::string_view() : text.substr(at);
    };
    line = skip(line);
    const std::string_view key = line.substr(0, line.find_first_of(kBlanks));
    const std::string_view rest = skip(line.substr(key.size()));
    return {std::string(key), std::string(rest.substr(0, rest.find_first_of(" \t\r;#")))};
}

void drop(OldClient& client, const std::string& key, std::string why) {
    client.without.push_back({key, std::move(why)});
}

// "tcp/22,udp/53": a profile has one service of its own.
void take_access(OldClient& client, const std::string& value, const Stanza& stanza) {
    if (value.find(',') != value.npos)
        return drop(client, "ACCESS",
                    in_quotes(value) + ": a profile has one service; let the operator make one of all these ports");
    std::string service = value;
    if (const auto nat = stanza.find("NAT_ACCESS"); nat != stanza.end())
        service = value + "@" + nat->second.substr(0, nat->second.find_first_of(",:"));
    if (const auto known = parse_service_spec(service); !known || known->service != 0)
        return drop(client, "ACCESS", in_quotes(service) + " is neither a port nor one behind the server");
    client.service = service;
}

void take_timeout(OldClient& client, const std::string& value) {
    std::uint32_t number = 0;
    const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (code != std::errc() || end != value.data() + value.size())
        return drop(client, "FW_TIMEOUT", in_quotes(value) + " is no number of seconds");
    if (number > 0)
        client.lifetime = std::chrono::seconds(number);
}

void take_allowed(OldClient& client, const std::string& value) {
    if (value == "source" || value == "0.0.0.0")
        client.nat = NatPolicy::always;
    else if (value == "resolve")
        drop(client, "ALLOW_IP",
             "resolve: behind NAT the packet's source counts by itself; \"stun\" asks a STUN server");
    else
        drop(client, "ALLOW_IP",
             in_quotes(value) + ": \"open --for ADDRESS\" opens for another address, if the "
                                "operator gave the right to");
}

OldClient client_of(const std::string& name, const Stanza& stanza) {
    OldClient client;
    client.title = "stanza " + in_quotes(name);
    if (name != kDefault)
        client.alias = name;
    for (const auto& [key, value] : stanza) {
        if (key == "SPA_SERVER" && is_plain_host(value))
            client.hosts.push_back(value);
        else if (key == "SPA_SERVER")
            drop(client, key, in_quotes(value) + " is no host");
        else if (key == "ACCESS")
            take_access(client, value, stanza);
        else if (key == "FW_TIMEOUT")
            take_timeout(client, value);
        else if (key == "ALLOW_IP")
            take_allowed(client, value);
        else if (key == "NAT_ACCESS" && stanza.contains("ACCESS"))
            continue; // with ACCESS
        else
            drop(client, printable(key), reason_of(key));
    }
    return client;
}

Error fault_at(const std::string& file, int line, const std::string& what, std::string hint) {
    return {as_line(file) + ":" + std::to_string(line) + ": " + what, std::move(hint), Exit::configuration};
}

} // namespace

Result<std::vector<OldClient>> read_fwknoprc(std::string_view text, const std::string& file) {
    std::vector<std::pair<std::string, Stanza>> stanzas;
    for (int number = 1; !text.empty(); ++number) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
        if (line.empty() || line.front() == '#' || line.front() == ';')
            continue;
        if (line.front() == '[') {
            const std::size_t end = line.find(']');
            if (end == line.npos || end == 1)
                return fault_at(file, number, "a stanza without a name", "write [NAME]");
            stanzas.emplace_back(std::string(line.substr(1, end - 1)), Stanza());
            continue;
        }
        const auto [key, value] = split_line(line);
        if (stanzas.empty())
            return fault_at(file, number, in_quotes(key) + " stands before the first stanza",
                            "this is no .fwknoprc: one begins with [default]");
        if (value.empty())
            return fault_at(file, number, in_quotes(key) + " has no value", "a line is \"VARIABLE value\"");
        stanzas.back().second.insert_or_assign(key, value);
    }
    Stanza common;
    for (const auto& [name, stanza] : stanzas)
        if (name == kDefault)
            common = stanza;
    std::vector<OldClient> clients;
    for (auto& [name, stanza] : stanzas) {
        stanza.insert(common.begin(), common.end()); // its own come first
        // [default] is often nothing but what the others have in common.
        if (name != kDefault || stanza.contains("SPA_SERVER"))
            clients.push_back(client_of(name, stanza));
    }
    if (clients.empty())
        return Error{in_quotes(file) + " has no stanza with a server", "SPA_SERVER names one", Exit::configuration};
    return clients;
}

} // namespace xk::client
