// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/redirection.h"

#include <algorithm>
#include <sstream>

namespace xk::tools {
namespace {

using Words = std::vector<std::string>;

// Words of a line; one in quotes may have blanks.
Words words_of(const std::string& line) {
    Words words;
    std::string word;
    bool quoted = false, any = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (c == '"') {
            quoted = !quoted;
            any = true;
        } else if (c == ' ' && !quoted) {
            if (any)
                words.push_back(std::exchange(word, {}));
            any = false;
        } else {
            if (c == '\\' && quoted && i + 1 < line.size())
                ++i;
            word += line[i];
            any = true;
        }
    }
    if (any)
        words.push_back(word);
    return words;
}

// "192.0.2.9", "192.0.2.9-192.0.2.12:20-30", "[2001:db8::9]:22", ":22"
void set_destination(Landing& landing, std::string text) {
    std::string port;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        port = end == text.npos || end + 2 > text.size() ? "" : text.substr(end + 2);
        text = text.substr(1, end == text.npos ? end : end - 1);
    } else if (const auto colon = text.find(':'); colon != text.npos && text.find(':', colon + 1) == text.npos) {
        port = text.substr(colon + 1);
        text.erase(colon);
    }
    if (!text.empty()) {
        landing.address = AddressRange::parse(text);
        landing.unknown = !landing.address;
    }
    if (!port.empty()) // behind a slash is where a range of ports begins to count
        landing.ports = PortSet::parse(port.substr(0, port.find('/')), '-');
}

std::set<IpProtocol> protocols_called(const std::string& word) {
    for (const IpProtocol protocol : {IpProtocol::tcp, IpProtocol::udp, IpProtocol::sctp})
        if (word == name_of(protocol) || word == std::to_string(static_cast<unsigned>(protocol)))
            return {protocol};
    return word == "all" ? Condition{}.protocols : std::set<IpProtocol>();
}

// A word that narrows what the rule takes, with what follows it.
void narrow(Condition& condition, const std::string& option, const std::string& value, bool negated) {
    const auto ports = [&](PortSet& of) {
        of = of & (negated ? ~PortSet::parse(value, ':') : PortSet::parse(value, ':'));
    };
    if (option == "--dport" || option == "--dports") {
        ports(condition.ports);
    } else if (option == "--sport" || option == "--sports") {
        ports(condition.source_ports);
    } else if (option == "-p") {
        const auto named = protocols_called(value);
        std::erase_if(condition.protocols, [&](IpProtocol p) { return named.contains(p) == negated; });
    } else if (option == "-d" && !negated) {
        if (const auto range = AddressRange::parse(value))
            condition.destinations = {*range};
    } else if (option == "-i" && !negated) {
        condition.interface = value.ends_with('+') ? value.substr(0, value.size() - 1) + "*" : value;
    }
}

// The target and its words.
std::optional<Landing> landing_of(const std::string& target, const std::map<std::string, std::string>& options) {
    static const std::map<std::string, Landing::Kind> kKinds = {
        {"REDIRECT", Landing::Kind::redirect}, {"DNAT", Landing::Kind::dnat},       {"NETMAP", Landing::Kind::dnat},
        {"TPROXY", Landing::Kind::tproxy},     {"NOTRACK", Landing::Kind::notrack}, {"CT", Landing::Kind::notrack}};
    const auto kind = kKinds.find(target);
    if (kind == kKinds.end() || (target == "CT" && !options.contains("--notrack")))
        return std::nullopt;
    Landing landing{.kind = kind->second, .here = kind->second == Landing::Kind::redirect};
    for (const auto& [option, value] : options)
        if (option == "--to-ports" || option == "--to-port" || option == "--on-port")
            landing.ports = value == "0" ? std::nullopt : std::optional(PortSet::parse(value, '-'));
        else if (option == "--to-destination" || option == "--to" || (option == "--on-ip" && value != "0.0.0.0"))
            set_destination(landing, value);
    return landing;
}

} // namespace

IptablesRules parse_iptables(const std::string& saved, bool v4) {
    IptablesRules rules;
    std::istringstream lines(saved);
    std::string line, table;
    while (std::getline(lines, line)) {
        if (line.starts_with('*'))
            table = std::string(v4 ? "ip " : "ip6 ") + line.substr(1) + " ";
        else if (line.starts_with(':'))
            rules[table + line.substr(1, line.find(' ') - 1)];
        else if (line.starts_with("-A "))
            rules[table + line.substr(3, line.find(' ', 3) - 3)].push_back(line);
    }
    return rules;
}

Hop iptables_hop(const std::string& line, const std::string& table, bool v4) {
    Hop hop;
    hop.rule = line;
    (v4 ? hop.condition.v6 : hop.condition.v4) = false;
    std::string target;
    std::map<std::string, std::string> options; // behind the target
    const Words words = words_of(line);
    bool negated = false;
    for (std::size_t i = 2; i < words.size(); ++i) { // -A CHAIN
        if (words[i] == "!") {
            negated = true;
            continue;
        }
        const std::string value = i + 1 < words.size() ? words[i + 1] : "";
        if (words[i] == "-j" || words[i] == "-g")
            target = value;
        else if (!target.empty() && words[i].starts_with("--"))
            options[words[i]] = value;
        else
            narrow(hop.condition, words[i], value, negated);
        negated = false;
    }
    hop.landing = landing_of(target, options);
    if (!hop.landing)
        hop.jump = table + " " + target; // or a target that ends or changes nothing: no chain has its name
    return hop;
}

Course course_of(const IptablesRules& legacy) {
    static const std::map<std::string, int> kPriorities = {{"raw", -300}, {"mangle", -150}, {"nat", -100}};
    Course course;
    for (const auto& [name, lines] : legacy) {
        const auto blank = name.find(' '), last = name.rfind(' ');
        const std::string table = name.substr(blank + 1, last - blank - 1), chain = name.substr(last + 1);
        const auto priority = kPriorities.find(table);
        if ((chain == "PREROUTING" || chain == "OUTPUT") && priority != kPriorities.end())
            course.bases.push_back({name, chain == "OUTPUT" ? "output" : "prerouting", priority->second});
        for (const std::string& line : lines) {
            Hop hop = iptables_hop(line, name.substr(0, last), name.starts_with("ip "));
            hop.place = "chain " + chain + " of the old " + (name.starts_with("ip ") ? "iptables" : "ip6tables") +
                        ", table " + table;
            course.hops[name].push_back(std::move(hop));
        }
    }
    return course;
}

} // namespace xk::tools
