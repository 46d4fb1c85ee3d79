// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/stealth.h"

#include "tools/knockctl/doctor/protected_ports.h"

#include <algorithm>

namespace xk::tools {
namespace {

// Low, middle and high ones: rules may let in all above 1023, and drop the rest. Scanners ask for
// such too.
constexpr std::uint16_t kCandidates[] = {6, 97, 271, 1019, 4999, 9111, 27123, 47013, 61321};

void follow(const Firewall& f, const Packet& packet, Answers& answers) {
    for (const Chain* chain : f.ruleset.on_the_way_in()) {
        if (is_ours(*chain) || !meets(*chain, packet))
            continue;
        const WalkResult result = walk(f.ruleset, *chain, packet);
        if (result.leaves != Truth::no || result.port_changed)
            return; // it is no closed port of this host
        if (result.dropped() == Truth::no)
            continue;
        answers.none |= result.silent;
        answers.closed |= result.refused_as_closed;
        answers.another |= result.refused_otherwise;
        if (result.dropped() == Truth::yes)
            return;
    }
    answers.closed = true; // the kernel's own answer
}

struct Question {
    const char* subject; // what is compared, and what it does now
    const char* key;
    bool closed; // what it is set to
    IpProtocol protocol;
};

Finding judge(const Question& q, const Answers& answers) {
    const std::string what = q.subject, ports = std::string(name_of(q.protocol)) + " ports";
    const auto setting = [&](const char* value) {
        return q.key == std::string("gate.stealth") ? std::string("gate: {stealth: ") + value + "}"
                                                    : std::string("stealth: ") + value;
    };
    if (answers == Answers{.none = true})
        return q.closed ? Finding{Severity::advice, "stealth",
                                  what +
                                      " answers as closed, and this host's rules drop what comes "
                                      "to other closed " +
                                      ports + ": it stands out",
                                  setting("drop")}
                        : Finding{Severity::ok,
                                  "stealth",
                                  what + " is silent, as this host's other closed " + ports +
                                      " are: " + setting("drop") + " fits",
                                  {}};
    if (answers == Answers{.closed = true})
        return q.closed ? Finding{Severity::ok,
                                  "stealth",
                                  what + " answers as this host's other closed " + ports + " do: " + setting("closed") +
                                      " fits",
                                  {}}
                        : Finding{Severity::advice, "stealth",
                                  what + " is silent, and this host's other closed " + ports + " answer: it stands out",
                                  setting("closed")};
    const std::string others = answers.another
                                   ? "this host's rules refuse other closed " + ports + " in a way of their own"
                                   : "some of this host's other closed " + ports + " answer, some do not";
    return {
        Severity::ok, "stealth", what + ": " + others + ", so neither value of " + q.key + " hides it everywhere", {}};
}

} // namespace

Answers answers_of_closed_ports(const Firewall& f, const std::vector<Listener>& listeners, IpProtocol protocol) {
    Answers answers;
    for (const std::uint16_t port : kCandidates) {
        const Endpoint endpoint{protocol, port};
        const bool knock_port = protocol == IpProtocol::udp && port == f.config.port;
        if (knock_port || service_at(f.config, endpoint) != nullptr ||
            std::ranges::any_of(listeners, [&](const Listener& l) { return l.endpoint == endpoint; }))
            continue;
        for_all_ways(f, endpoint, Source::stranger, [&](const Packet& packet) { follow(f, packet, answers); });
    }
    return answers;
}

void check_stealth(const Firewall& f, const std::vector<Listener>& listeners, Findings& findings) {
    // In mode external the ports are shut by the admin's own rules.
    if (f.config.gate_mode == config::GateMode::table)
        findings.push_back(judge({"a protected port", "gate.stealth", f.config.gate_closed, IpProtocol::tcp},
                                 answers_of_closed_ports(f, listeners, IpProtocol::tcp)));
    findings.push_back(judge({"the knock port", "stealth", f.config.answer_as_closed, IpProtocol::udp},
                             answers_of_closed_ports(f, listeners, IpProtocol::udp)));
}

} // namespace xk::tools
