// SPDX-License-Identifier: MIT
//
// The answers from which the set-up makes configuration and first device, and how each is read. A text that makes no
// sense gives an Error of its own with Exit::usage: what is wrong, and what to type.
#pragma once

#include "protocol/base/result.h"
#include "protocol/request.h"
#include "tools/knockctl/host/setup/surroundings.h"

#include <functional>
#include <string>
#include <vector>

namespace xk::tools::setup {

struct Hidden {
    std::string service; // a name that is_name() takes
    std::vector<PortRange> ports;
    bool operator==(const Hidden&) const = default;
};

struct Answers {
    std::vector<std::string> interfaces;
    std::vector<Hidden> hidden;
    std::vector<Prefix> allow; // gate.allow
    std::uint16_t port = 62201;
    std::string user, device, login;
    FactorKind factor = FactorKind::totp;
    std::vector<std::string> hosts;
};

// What only the host can say: a unit test has its own.
struct HostFacts {
    std::function<bool(const std::string& name)> resolves;          // a host name, to some address
    std::function<Result<void>(const std::string& login)> is_login; // an account of this host
};
HostFacts facts_of_this_host();

// Words separated by blanks or commas. Of ports: "web=tcp/80,tcp/443" is one word.
std::vector<std::string> words_of(const std::string& text);
std::vector<std::string> port_words_of(const std::string& text);

// "tcp/22", "22", "udp/51820", "web=tcp/80,tcp/443", the name of a program that listens; several, by blanks. Ports
// without a name get that of the program that listens there.
Result<std::vector<Hidden>> parse_hidden(const std::vector<std::string>& words, const Surroundings& around);
std::string text_of(const std::vector<Hidden>& hidden);

// "nobody", "mine" (the caller's address), addresses and networks.
Result<std::vector<Prefix>> parse_allow(const std::vector<std::string>& words, const Surroundings& around);

Result<std::vector<std::string>> parse_interfaces(const std::vector<std::string>& words, const Surroundings& around);
Result<std::uint16_t> parse_knock_port(const std::string& text);
// A user's or a device's name; `what`: "user", "device".
Result<std::string> parse_name(const std::string& text, const std::string& what);
Result<FactorKind> parse_factor(const std::string& text);
// The forms of hosts alone; whether a name leads anywhere is another question.
Result<std::vector<std::string>> parse_hosts(const std::vector<std::string>& words);
// The first of them that is a name and leads nowhere; else empty.
std::string unknown_host(const std::vector<std::string>& hosts, const HostFacts& facts);

// Faults of answers that are right one by one.
Result<void> check_together(const Answers& answers);

} // namespace xk::tools::setup
