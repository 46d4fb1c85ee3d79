// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/ways.h"

#include "protocol/base/quote.h"
#include "tools/knockctl/doctor/protected_ports.h"

#include <algorithm>
#include <optional>

namespace xk::tools {
namespace {

using Kind = Landing::Kind;

constexpr std::size_t kMaxWays = 500; // each is followed through the whole ruleset

// A point on a packet's way: behind the chains of `hook` with this priority.
struct Station {
    int hook, priority;
    auto operator<=>(const Station&) const = default;
};
constexpr Station kStart{-1, 0}, kRouted{1, 1 << 30}, kEnd{3, 0}; // kRouted: behind prerouting

Station station_of(const std::string& hook, int priority) {
    return {hook == "ingress" ? 0 : hook == "prerouting" ? 1 : 2, priority};
}

struct Judgement {
    Truth shut = Truth::no;
    std::vector<Place> doubts; // rules that decide, and that the doctor cannot evaluate
};

// Whether the packet is dropped between the two points, on its way to this hook.
Judgement judge(const Firewall& f, const Packet& packet, Station from, Station until, const std::string& last_hook) {
    Judgement judgement;
    for (const Chain* chain : f.ruleset.on_the_way_in(last_hook)) {
        const Station here = station_of(chain->hook, chain->priority);
        if (here <= from || here >= until || !meets(*chain, packet) || (chain->type == "nat" && !is_ours(*chain)))
            continue;
        const WalkResult result = walk(f.ruleset, *chain, packet);
        judgement.shut = either(judgement.shut, result.dropped());
        if (shuts(result))
            return {Truth::yes, {}};
        if (result.dropped() == Truth::maybe)
            for (const auto* places : {&result.accepts, &result.drops})
                judgement.doubts.insert(judgement.doubts.end(), places->begin(), places->end());
    }
    return judgement;
}

Judgement judge(const Firewall& f, const Packet& packet, Station from, Station until) {
    return judge(f, packet, from, until, packet.forwarded ? "forward" : "input");
}

Judgement worse(const Judgement& a, const Judgement& b) { return a.shut <= b.shut ? a : b; }
Judgement better(const Judgement& a, const Judgement& b) { return a.shut >= b.shut ? a : b; }

// A stranger's packet to this protected port, without regard to how it came there.
Packet packet_to(const Firewall& f, const ProtectedPort& what, std::uint16_t port, bool v4,
                 const std::string& interface) {
    Packet packet = packet_of(f, {what.ports.protocol, port}, v4, interface, Source::stranger);
    if (what.is_local())
        return packet;
    packet.destinations = {what.target};
    packet.forwarded = true;
    // Only protected hosts matter here.
    std::erase_if(packet.known_sets,
                  [](const auto& set) { return set.first.find(" protected_") != std::string::npos; });
    return packet;
}

bool is_here(const Firewall& f, const AddressRange& range) {
    if (range.first.is_loopback() || range.last.is_loopback())
        return true;
    return std::ranges::any_of(f.own_addresses, [&](const Address& own) { return range.has(own); });
}

// ---- rules that translate

// Whether packets of the rule may end at the protected port.
bool ends_at(const Firewall& f, const Redirection& r, const ProtectedPort& what) {
    if (!r.from.protocols.contains(what.ports.protocol))
        return false;
    if (r.to.kind == Kind::tproxy || r.to.here)
        return what.is_local();
    if (r.to.address)
        return what.is_local() ? is_here(f, *r.to.address) : r.to.address->has(what.target);
    if (!r.from.destinations)
        return true;
    return std::ranges::any_of(*r.from.destinations, [&](const AddressRange& range) {
        return what.is_local() ? is_here(f, range) : range.has(what.target);
    });
}

// The protected ports at which they end, and the ports that a stranger addresses for that.
struct Crossing {
    PortSet from, to;
};
std::optional<Crossing> crossing(const Redirection& r, const ProtectedPort& what) {
    const PortSet shut = PortSet::range(what.ports.first, what.ports.last);
    const PortSet to = (r.to.ports ? *r.to.ports : r.from.ports) & shut;
    if (to.empty())
        return std::nullopt;
    return Crossing{r.to.ports ? r.from.ports : to, to};
}

// A published port: it is protected itself, and leads to a container.
bool is_published(const Firewall& f, const Redirection& r, const ProtectedPort& what) {
    return what.is_local() && r.to.kind == Kind::dnat && r.to.address && !is_here(f, *r.to.address) &&
           r.from.protocols.contains(what.ports.protocol) &&
           !(r.from.ports & PortSet::range(what.ports.first, what.ports.last)).empty() &&
           (!r.from.destinations ||
            std::ranges::any_of(*r.from.destinations, [&](const AddressRange& range) { return is_here(f, range); }));
}

class Report {
  public:
    Report(const Firewall& f, Findings& findings) : f_(f), findings_(findings) {}
    ~Report() { merged_.report("ways", findings_); }
    bool empty() const { return merged_.empty(); }

    // `way`: "tcp/2222 leads to tcp/22 (ssh), by ..."
    void add(const std::string& way, const std::string& port, const Judgement& judgement, const Packet& packet) {
        const bool external = f_.config.gate_mode == config::GateMode::external;
        const std::string remedy = external ? "in mode external your own rules shut the ports: let one drop " + port +
                                                  " without a grant where it is delivered, at hook input or forward"
                                            : "take that away; or restart xknockd, if its table is older than it: it "
                                              "looks where packets are "
                                              "delivered too";
        if (judgement.shut == Truth::yes)
            merged_.add(way + ": shut without a grant", {}, Severity::ok, packet);
        else if (judgement.shut == Truth::maybe)
            merged_.add(way + ": strangers may get in, depending on " + text_of(judgement.doubts), remedy,
                        Severity::advice, packet);
        else
            merged_.add(way + ": open to strangers", remedy, Severity::problem, packet);
    }
    void doubt(const std::string& way, const std::string& why, const std::string& hint, const Packet& packet) {
        merged_.add(way + ": " + why, hint, Severity::advice, packet);
    }

  private:
    const Firewall& f_;
    Findings& findings_;
    MergedFindings merged_;
};

// Calls `act` for each family and interface of the rule.
template <typename Act>
void each_entry(const Firewall& f, const Condition& from, Act act) {
    auto interfaces = f.config.interfaces;
    if (!from.interface.empty() && !from.interface.ends_with('*'))
        interfaces = {from.interface};
    for (const std::string& interface : interfaces)
        for (const bool v4 : {true, false})
            if (v4 ? from.v4 : from.v6)
                act(v4, interface);
}

Packet first_packet(const Firewall& f, const Redirection& r, const ProtectedPort& what, std::uint16_t port, bool v4,
                    const std::string& interface) {
    Packet packet = packet_of(f, {what.ports.protocol, port}, v4, interface, Source::stranger);
    if (r.from.destinations) {
        packet.destinations = {r.from.destinations->front().first};
        packet.elsewhere = !is_here(f, r.from.destinations->front());
    }
    return packet;
}

std::string by(const Redirection& r) { return ", by " + in_quotes(r.rule, 160) + " in " + printable(r.place); }

void say_translated(const Firewall& f, const Redirection& r, const ProtectedPort& what, const Crossing& ports,
                    Report& report) {
    const Station at = station_of(r.hook, r.priority);
    each_entry(f, r.from, [&](bool v4, const std::string& interface) {
        if ((!what.is_local() && what.target.is_v4() != v4) || (r.to.address && r.to.address->first.is_v4() != v4))
            return;
        const Packet before = first_packet(f, r, what, ports.from.first(), v4, interface);
        Packet behind = packet_to(f, what, ports.to.first(), v4, interface);
        behind.translated = true;
        Condition from = r.from;
        from.protocols = {what.ports.protocol};
        const std::string way = from.text(ports.from) + " leads to " + what.label() + by(r);
        if (r.to.unknown)
            return report.doubt(from.text(ports.from) + " is sent elsewhere" + by(r),
                                "whether to a protected port, nft does not say", "look at that rule", before);
        if (r.to.kind == Kind::tproxy) { // the packet stays as it is, and so does what rules see of it
            const Judgement judgement = judge(f, before, kStart, kEnd);
            if (judgement.shut == Truth::yes)
                return report.add(way, what.ports.text(), judgement, before);
            return report.doubt(way,
                                "no rule can see that, and it is open where its program takes transparent "
                                "connections (IP_TRANSPARENT)",
                                "let the rule not lead there", before);
        }
        // Packets that IPVS takes at hook input and sends to another host do not pass the hook forward.
        const bool by_output = !what.is_local() && r.hook == "input";
        const Judgement there = by_output ? judge(f, behind, kRouted, kEnd, "output") : judge(f, behind, at, kEnd);
        report.add(way, what.ports.text(), better(judge(f, before, kStart, at), there), before);
    });
}

void say_published(const Firewall& f, const Redirection& r, const ProtectedPort& what, Report& report) {
    const PortSet ports = r.from.ports & PortSet::range(what.ports.first, what.ports.last);
    each_entry(f, r.from, [&](bool v4, const std::string& interface) {
        if (r.to.address->first.is_v4() != v4)
            return;
        const Packet before = first_packet(f, r, what, ports.first(), v4, interface);
        Packet behind = before;
        behind.forwarded = behind.translated = true;
        behind.destinations = {r.to.address->first};
        if (r.to.ports)
            behind.port = r.to.ports->first();
        const Station at = station_of(r.hook, r.priority);
        const std::string to = r.to.address->text() + (r.to.ports ? " port " + r.to.ports->text() : "");
        report.add(what.label() + " is published, and leads to " + to + by(r), what.ports.text(),
                   better(judge(f, before, kStart, at), judge(f, behind, at, kEnd)), before);
    });
}

void check_redirections(const Firewall& f, const Ways& ways, Report& report, Findings& findings) {
    std::size_t left = kMaxWays;
    bool complete = ways.complete;
    for (const Redirection& r : ways.redirections) {
        if (r.to.kind == Kind::notrack || r.hook == "output")
            continue;
        for (const ProtectedPort& what : protected_ports(f.config)) {
            // A packet that a rule changes at hook input stays here; IPVS alone sends it on (as DNAT).
            if (r.hook == "input" && r.to.kind == Kind::rewrite && !what.is_local())
                continue;
            const auto ports = ends_at(f, r, what) ? crossing(r, what) : std::nullopt;
            if (!ports && !is_published(f, r, what))
                continue;
            if (left == 0) {
                complete = false;
                break;
            }
            --left;
            if (ports)
                say_translated(f, r, what, *ports, report);
            else
                say_published(f, r, what, report);
        }
    }
    if (!complete)
        findings.push_back({Severity::advice, "ways", "there are too many rules that translate: not all are listed",
                            "a map says in one rule what many say"});
}

// ---- notrack

// Why a service cannot do without connection tracking; empty where it can.
std::string reason_to_track(const authz::Service& service) {
    std::string reasons;
    const auto add = [&](const char* reason) { reasons += (reasons.empty() ? "" : ", ") + std::string(reason); };
    if (service.after == authz::After::idle)
        add("after: idle");
    if (service.max_connections != 0)
        add("max_connections");
    if (service.single_use)
        add("single use");
    return reasons;
}

void check_untracked(const Firewall& f, const Ways& ways, Findings& findings) {
    std::set<std::string> seen;
    for (const Redirection& r : ways.redirections) {
        if (r.to.kind != Kind::notrack)
            continue;
        const PortSet& ports = r.hook == "output" ? r.from.source_ports : r.from.ports;
        for (const ProtectedPort& what : protected_ports(f.config)) {
            if (!r.from.protocols.contains(what.ports.protocol) ||
                (ports & PortSet::range(what.ports.first, what.ports.last)).empty() ||
                (!what.is_local() && r.hook != "output" && !r.from.goes_to(what.target)))
                continue;
            const std::string reasons = reason_to_track(*what.service);
            const std::string message = what.label() + " is not tracked" + by(r);
            if (!seen.insert(message).second)
                continue;
            if (reasons.empty())
                findings.push_back({Severity::ok, "ways", message + ": its sessions are let in packet by packet", {}});
            else
                findings.push_back({Severity::advice, "ways",
                                    message + ": the service has " + reasons +
                                        ", which asks connection tracking and "
                                        "finds nothing",
                                    "take the notrack rule away, or " + reasons});
        }
    }
}

// ---- routes and interfaces

// All of this host's ports, for packets that come there by another route.
void say_delivered(const Firewall& f, const std::string& way, std::optional<bool> family, const std::string& interface,
                   Station from, const std::function<void(Packet&)>& change, Report& report) {
    for (const bool v4 : {true, false}) {
        if (family && *family != v4)
            continue;
        std::string labels;
        Judgement judgement{Truth::yes, {}};
        Packet packet;
        for (const ProtectedPort& what : protected_ports(f.config)) {
            if (!what.is_local())
                continue;
            packet = packet_to(f, what, what.ports.first, v4, interface);
            change(packet);
            labels += (labels.empty() ? "" : ", ") + what.label();
            judgement = worse(judgement, judge(f, packet, from, kEnd));
        }
        if (!labels.empty())
            report.add(way + " to " + labels, "the ports", judgement, packet);
    }
}

void check_routes(const Firewall& f, const Routes& routes, Report& report) {
    for (const Routes::Local& local : routes.locals)
        for (const std::string& interface : f.config.interfaces)
            say_delivered(
                f,
                "what is for " + local.to.text() + ", which routing table " + std::to_string(local.table) +
                    (local.rule.empty() ? "" : " (ip rule: " + printable(local.rule) + ")") + " delivers here, leads",
                local.to.first.is_v4(), interface, kStart,
                [&](Packet& packet) {
                    packet.destinations.clear();
                    if (local.to.first.is_grantable())
                        packet.destinations.insert(local.to.first);
                    packet.elsewhere = packet.v4; // of IPv6 the fib expression of nftables asks every table
                },
                report);
    for (const Routes::Unpacked& unpacked : routes.unpacked)
        for (const std::string& interface : f.config.interfaces)
            say_delivered(
                f, "what a route unpacks behind prerouting (" + unpacked.how + ", " + unpacked.to.text() + ") leads",
                std::nullopt, interface, kRouted, [](Packet&) {}, report);
    for (const Routes::Vrf& vrf : routes.vrfs)
        say_delivered(
            f,
            vrf.interface + " belongs to a VRF (" + vrf.name + "), whose addresses are in a table of its own: it leads",
            std::nullopt, vrf.interface, kStart, [](Packet& packet) { packet.elsewhere = packet.v4; }, report);
}

} // namespace

void check_ways(const Firewall& f, const Ways& ways, Findings& findings) {
    const auto before = findings.size();
    {
        Report report(f, findings);
        check_redirections(f, ways, report, findings);
        check_routes(f, ways.routes, report);
    }
    check_untracked(f, ways, findings);
    for (const std::string& program : ways.socket_programs)
        findings.push_back({Severity::advice, "ways",
                            "BPF program " + printable(program) +
                                " decides which socket a connection gets: where it leads to a protected port, no "
                                "rule "
                                "sees it",
                            "bpftool link says more; whoever made it must not lead strangers there"});
    if (findings.size() == before)
        findings.push_back(
            {Severity::ok, "ways", "no rule, route or table leads to a service's port from elsewhere", {}});
}

} // namespace xk::tools
