// SPDX-License-Identifier: MIT
//
// What is hidden: ports, and the programs that listen on them.
#include "protocol/base/quote.h"
#include "tools/knockctl/host/setup/answers.h"
#include "tools/knockctl/host/setup/words.h"

#include <algorithm>
#include <cctype>

namespace xk::tools::setup {
namespace {

bool is_number(const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

// sshd is known as ssh everywhere else.
std::string service_of_program(const std::string& program) { return program == "sshd" ? "ssh" : program; }

std::string program_at(const Surroundings& around, const PortRange& ports) {
    for (const Listener& listener : around.listeners)
        if (ports.has(listener.endpoint) && !listener.program.empty() && listener.program != "systemd")
            return listener.program;
    const auto ssh = ssh_ports(around);
    return std::ranges::count(ssh, ports) > 0 ? "sshd" : "";
}

std::string name_for(const Surroundings& around, const PortRange& ports) {
    const std::string name = service_of_program(program_at(around, ports));
    if (is_name(name) && name != kAllServices)
        return name;
    return ports.begin().text().replace(ports.begin().text().find('/'), 1, "-"); // "tcp-8080"
}

// "22/tcp", "tcp:22", "TCP/22": what was probably meant.
std::string port_meant(const std::string& word) {
    std::string text = lower(word);
    std::ranges::replace(text, ':', '/');
    const auto slash = text.find('/');
    if (slash != std::string::npos && is_number(text.substr(0, slash)))
        text = text.substr(slash + 1) + "/" + text.substr(0, slash);
    return PortRange::parse(text) ? text : "";
}

Result<PortRange> parse_port(const std::string& word) {
    if (auto range = PortRange::parse(is_number(word) ? "tcp/" + word : word))
        return range;
    const std::string meant = port_meant(word);
    return usage_error(in_quotes(word) + " is not a port",
                       meant.empty() ? "write tcp/22, udp/51820 or tcp/27015-27030" : "did you mean " + meant + "?");
}

std::vector<PortRange> ports_of_program(const Surroundings& around, const std::string& word) {
    if (word == "ssh" || word == "sshd")
        return ssh_ports(around);
    std::set<PortRange> ports;
    for (const Listener& listener : around.listeners)
        if (listener.program == word)
            ports.insert(PortRange::of(listener.endpoint));
    return {ports.begin(), ports.end()};
}

void add_hidden(std::vector<Hidden>& all, const std::string& service, const PortRange& ports) {
    for (const Hidden& other : all)
        if (std::ranges::count(other.ports, ports) > 0)
            return; // typed twice
    const auto known = std::ranges::find(all, service, &Hidden::service);
    if (known == all.end())
        all.push_back({service, {ports}});
    else
        known->ports.push_back(ports);
}

Result<void> read_hidden(const std::string& word, const Surroundings& around, std::vector<Hidden>& all) {
    const auto equals = word.find('=');
    if (equals != std::string::npos) {
        const std::string name = word.substr(0, equals);
        if (!is_name(name) || name == kAllServices)
            return usage_error(in_quotes(name) + " is not a service's name",
                               "1 to 32 letters, digits, \"-\", \"_\" or \".\", and not \"all\"");
        const auto ports = words_of(word.substr(equals + 1));
        if (ports.empty())
            return usage_error("service " + name + " has no ports", "write " + name + "=tcp/80,tcp/443");
        for (const std::string& text : ports) {
            const auto port = parse_port(text);
            if (!port)
                return port.error();
            add_hidden(all, name, *port);
        }
        return {};
    }
    if (const auto ports = ports_of_program(around, word); !ports.empty()) {
        for (const PortRange& port : ports)
            add_hidden(all, service_of_program(word), port);
        return {};
    }
    const bool is_word = std::ranges::all_of(
        word, [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_'; });
    if (is_word)
        return usage_error("no program " + in_quotes(word) + " listens here",
                           "name a port, like tcp/22, or a program of the list above");
    const auto port = parse_port(word);
    if (!port)
        return port.error();
    add_hidden(all, name_for(around, *port), *port);
    return {};
}

} // namespace

std::vector<std::string> port_words_of(const std::string& text) {
    std::vector<std::string> words;
    std::string word;
    for (const char c : text + " ") {
        if (c != ' ' && c != '\t') {
            word += c;
            continue;
        }
        for (const std::string& part : word.find('=') == std::string::npos ? words_of(word) : std::vector{word})
            words.push_back(part);
        word.clear();
    }
    return words;
}

Result<std::vector<Hidden>> parse_hidden(const std::vector<std::string>& words, const Surroundings& around) {
    std::vector<Hidden> all;
    for (const std::string& word : words)
        if (auto done = read_hidden(word, around, all); !done)
            return done.error();
    for (std::size_t i = 0; i < all.size(); ++i)
        for (const PortRange& ports : all[i].ports)
            for (std::size_t j = i + 1; j < all.size(); ++j)
                for (const PortRange& other : all[j].ports)
                    if (ports.meets(other))
                        return usage_error(ports.text() + " (" + all[i].service + ") and " + other.text() + " (" +
                                               all[j].service + ") overlap",
                                           "a port belongs to one service");
    if (all.empty())
        return usage_error("a gate that hides nothing is of no use", "name a port, like tcp/22");
    return all;
}

std::string text_of(const std::vector<Hidden>& hidden) {
    std::string text;
    for (const Hidden& one : hidden) {
        text += (text.empty() ? "" : ", ") + one.service + " (";
        for (std::size_t i = 0; i < one.ports.size(); ++i)
            text += (i == 0 ? "" : " ") + one.ports[i].text();
        text += ")";
    }
    return text;
}

} // namespace xk::tools::setup
