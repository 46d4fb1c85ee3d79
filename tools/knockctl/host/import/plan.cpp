// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/import/plan.h"

#include "daemon/authz/sequences.h"
#include "daemon/config/machines.h"
#include "protocol/base/nearest.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/host/import/lines.h"
#include "tools/knockctl/host/users/person.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace xk::tools::takeover {
namespace {

constexpr double kRoundingOfOdds = 1 + 1e-9;

// Two digits, rounded up.
std::string up_rounded(double odds) {
    char text[32];
    for (double up = odds; std::snprintf(text, sizeof text, "%.1e", up), std::strtod(text, nullptr) < odds;)
        up *= 1.01;
    return text;
}

std::optional<double> odds_of(const std::string& text) {
    double odds = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), odds);
    const bool is_good = code == std::errc() && end == text.data() + text.size() && odds > 0 && odds < 1;
    return is_good ? std::optional(odds) : std::nullopt;
}

std::string text_of_ports(std::span<const PortRange> ports) {
    std::string text;
    for (const PortRange& port : ports)
        text += (text.empty() ? "" : ", ") + port.text();
    return text;
}

class Planner {
  public:
    Planner(OldServer server, const config::Config& config, const ImportOptions& options, const std::set<Address>& own)
        : config_(config), options_(options), own_(own) {
        plan_.server = std::move(server);
    }
    Result<Plan> run();

  private:
    Result<void> check_options();
    void name_users();
    bool choose_services(OldDevice& device);
    bool choose_for_port(OldDevice& device, const PortRange& port);
    bool choose_target(OldDevice& device);
    void choose_all(OldDevice& device);
    std::string new_service(const PortRange& port);
    bool is_service(const std::string& name) const;
    void leave_out(const OldDevice& device, std::string why) {
        std::size_t end = SIZE_MAX; // where the next one begins
        for (const OldDevice& other : plan_.server.devices)
            if (other.line > device.line)
                end = std::min(end, other.line);
        plan_.server.leave_out_lines(device.line, end);
        plan_.server.add(device.line, device.title, Fate::not_taken, std::move(why));
    }
    Result<void> find_what_exists();
    Result<void> add_listeners();
    Result<void> accept_c_lock();

    const config::Config& config_;
    const ImportOptions& options_;
    const std::set<Address>& own_;
    Plan plan_;
};

bool Planner::is_service(const std::string& name) const {
    return std::ranges::any_of(config_.policy.services,
                               [&](const authz::Service& service) { return service.name.view() == name; });
}

Result<void> Planner::check_options() {
    if (!options_.user.empty())
        if (auto good = check_name(options_.user, "user"); !good)
            return good;
    std::set<std::string> names;
    for (const authz::Service& service : config_.policy.services)
        names.emplace(service.name.view());
    for (const std::string& service : options_.services)
        if (!names.contains(service) && (service != kAllServices || options_.services.size() != 1))
            return Error{"there is no service " + in_quotes(service), did_you_mean(service, names), Exit::usage};
    if (!options_.port.empty() && options_.kind != "fwknop")
        return Error{"--port is for fwknop", "capyknock's file says its port", Exit::usage};
    if (!options_.accepted_odds.empty() && (options_.kind != "c-lock" || !odds_of(options_.accepted_odds)))
        return Error{"--accept-odds " + in_quotes(options_.accepted_odds) + " is of no use here",
                     "it is for c-lock, a number between 0 and 1 as 5e-4", Exit::usage};
    return {};
}

// Two of one name in the file become "anna" and "anna-2".
void Planner::name_users() {
    std::set<std::string> used;
    for (OldDevice& device : plan_.server.devices) {
        const std::string base = options_.user.empty() ? options_.kind : options_.user;
        std::string name = as_name(device.wanted_name);
        if (name.empty())
            name = base;
        std::string free = name;
        for (int i = 2; used.contains(free); ++i) {
            const std::string end = "-" + std::to_string(i);
            free = name.substr(0, kMaxName - end.size()) + end;
        }
        used.insert(free);
        device.user.name = device.device.user = free;
        if (!device.wanted_name.empty() && free != device.wanted_name)
            plan_.server.add(device.line, device.title, Fate::taken,
                             "user " + free + ": " + in_quotes(device.wanted_name, 60) +
                                 (free == name ? " is no name here" : " is a name that another one has"));
    }
}

std::string Planner::new_service(const PortRange& port) {
    for (const auto& [name, known] : plan_.additions.services)
        if (known == port)
            return name;
    std::string name = port == PortRange{IpProtocol::tcp, 22, 22} ? "ssh" : port.text();
    std::ranges::replace(name, '/', '-');
    if (is_service(name))
        name = port.text().substr(0, 3) + "-" + std::to_string(port.first);
    for (int i = 2; is_service(name); ++i)
        name = "imported-" + std::to_string(i);
    plan_.additions.services.emplace_back(name, port);
    return name;
}

// A service of this host that has the port, or a new one.
bool Planner::choose_for_port(OldDevice& device, const PortRange& port) {
    const auto add = [&](const std::string& name) {
        if (std::ranges::find(device.user.services, name) == device.user.services.end())
            device.user.services.push_back(name);
    };
    for (const authz::Service& service : config_.policy.services) {
        const auto all = service.all_ports();
        const auto meets = std::ranges::find_if(all, [&](const PortRange& one) { return one.meets(port); });
        if (service.is_behind() || meets == all.end())
            continue;
        const std::string name(service.name.view());
        if (meets->first > port.first || meets->last < port.last) {
            leave_out(device, "service " + name + " has a part of " + port.text() + ": change it by hand");
            return false;
        }
        add(name);
        if (all.size() != 1 || *meets != port)
            plan_.server.add(device.line, device.title + " " + port.text(), Fate::taken,
                             "service " + name + ", which has " + text_of_ports(all) + ": all of it may be opened");
        return true;
    }
    for (const auto& [name, known] : plan_.additions.services)
        if (known != port && known.meets(port)) {
            leave_out(device,
                      port.text() + " and " + known.text() + " of this file overlap: write the service by hand");
            return false;
        }
    add(new_service(port));
    return true;
}

// A packet of capyknock asks for one port of one address, which need not be this host's.
bool Planner::choose_target(OldDevice& device) {
    const Address target = *device.device.target;
    const Endpoint wanted{IpProtocol::tcp, *device.device.port};
    for (const authz::Service& service : config_.policy.services)
        if (target == service.target4 || target == service.target6)
            for (const PortRange& ports : service.all_ports())
                if (ports.has(wanted)) {
                    device.user.services = {std::string(service.name.view())};
                    return true;
                }
    if (own_.empty() || own_.contains(target))
        return choose_for_port(device, PortRange::of(wanted));
    leave_out(device, target.text() + " is neither an address of this host nor the target of a service with " +
                          wanted.text() + ": write such a service (Gateways in configuration.md), and import again");
    return false;
}

void Planner::choose_all(OldDevice& device) {
    device.user.services = options_.services;
    if (!options_.services.empty())
        return;
    device.user.services = {std::string(kAllServices)};
    if (device.except.empty())
        return;
    device.user.services.clear();
    for (const authz::Service& service : config_.policy.services)
        if (std::ranges::none_of(service.all_ports(), [&](const PortRange& port) {
                return std::ranges::any_of(device.except, [&](const PortRange& no) { return no.meets(port); });
            }))
            device.user.services.emplace_back(service.name.view());
}

bool Planner::choose_services(OldDevice& device) {
    if (device.device.kind == authz::DeviceKind::capyknock)
        return choose_target(device);
    if (!device.ports.empty())
        return std::ranges::all_of(device.ports, [&](const PortRange& port) { return choose_for_port(device, port); });
    choose_all(device);
    plan_.server.add(device.line, device.title, Fate::taken,
                     "the file names no port that may be opened: services " +
                         std::string(device.user.services == std::vector<std::string>{std::string(kAllServices)}
                                         ? "all, also those of later"
                                         : "as they are now"));
    return true;
}

Result<void> Planner::find_what_exists() {
    const std::string directory = config::directory_of(options_.config_file);
    std::set<std::string> names;
    for (const authz::Credential& known : config_.policy.credentials)
        if (known.legacy.kind == authz::DeviceKind::capyknock)
            names.emplace(known.legacy.name_view());
    for (const OldDevice& device : plan_.server.devices) {
        const auto known = find_known_person(directory, device.user.name, Devices::none);
        if (!known)
            return known.error();
        if (*known)
            plan_.exists.push_back("user " + device.user.name);
        if (device.device.name && !names.insert(*device.device.name).second)
            plan_.exists.push_back("a device with the capyknock name " + printable(*device.device.name));
    }
    return {};
}

Result<void> Planner::add_listeners() {
    const auto has = [&](authz::DeviceKind kind) {
        return std::ranges::any_of(plan_.server.devices,
                                   [&](const OldDevice& device) { return device.device.kind == kind; });
    };
    if (has(authz::DeviceKind::capyknock)) {
        const std::uint16_t port = *plan_.server.capyknock_port;
        if (config_.capyknock_port == 0)
            plan_.additions.capyknock_port = port;
        else if (config_.capyknock_port != port)
            plan_.exists.push_back("legacy.capyknock with port " + std::to_string(config_.capyknock_port) + ", not " +
                                   std::to_string(port));
    }
    if (!has(authz::DeviceKind::fwknop))
        return {};
    const auto port =
        options_.port.empty() ? std::optional(unsigned{*plan_.server.fwknop_port}) : number_of(options_.port);
    if (!port || *port == 0 || *port > 65535)
        return Error{"--port " + in_quotes(options_.port) + " is no port", "from 1 to 65535", Exit::usage};
    if (config_.fwknop_port == 0)
        plan_.additions.fwknop_port = static_cast<std::uint16_t>(*port);
    else if (config_.fwknop_port != *port && !options_.port.empty())
        plan_.exists.push_back("legacy.fwknop with port " + std::to_string(config_.fwknop_port) + ", not " +
                               options_.port);
    return {};
}

// Nobody but the operator accepts odds of guessing. Without their word the device knocks by packets alone.
Result<void> Planner::accept_c_lock() {
    std::size_t many = 0;
    for (const authz::Credential& known : config_.policy.credentials)
        many += known.has_mode(authz::KnockMode::c_lock) && authz::can_use_c_lock(known) ? 1U : 0U;
    const double odds = authz::clock_guess_odds(many + plan_.server.devices.size(), config_.c_lock.attempts_per_hour);
    const double most = config_.c_lock.max_guess_odds.value_or(config_.max_guess_odds);
    std::string value = "{max_guess_odds: " + up_rounded(odds);
    if (!options_.accepted_odds.empty())
        value = "{max_guess_odds: " + options_.accepted_odds;
    if (const auto& ports = plan_.server.open_ports; !ports.empty()) {
        value += ", open_ports: [";
        for (std::size_t i = 0; i < ports.size(); ++i)
            value += (i == 0 ? "tcp/" : ", tcp/") + std::to_string(ports[i]);
        value += "]";
    }
    value += "}";
    OldDevice& device = plan_.server.devices.front();
    if (odds <= most * kRoundingOfOdds)
        return {};
    if (const auto accepted = odds_of(options_.accepted_odds); accepted && *accepted * kRoundingOfOdds < odds)
        return Error{"--accept-odds " + options_.accepted_odds + " is less than the odds, which are " +
                         up_rounded(odds),
                     "fewer attempts_per_hour in c_lock make them smaller", Exit::usage};
    if (!options_.accepted_odds.empty()) {
        plan_.additions.c_lock = value;
        plan_.server.add(0, "c_lock: " + value, Fate::taken, "you accepted it");
        return {};
    }
    device.user.modes = {authz::KnockMode::packet};
    plan_.server.add(device.line, "sequences of c-lock", Fate::not_taken,
                     "somebody who guesses all day opens with odds of " + up_rounded(odds) +
                         ", and nobody accepted that: the device knocks by packets until you do");
    plan_.server.next.push_back("to let c-lock's client knock, accept the odds of guessing in " + options_.config_file +
                                ": c_lock: " + value);
    plan_.server.next.push_back("then: knockctl reload && knockctl user set " + device.user.name +
                                " modes=packet,c-lock (\"--accept-odds " + up_rounded(odds) + "\" does all of it)");
    return {};
}

Result<Plan> Planner::run() {
    if (auto good = check_options(); !good)
        return good.error();
    name_users();
    std::vector<OldDevice> kept;
    for (OldDevice& device : plan_.server.devices) {
        const std::size_t before = plan_.additions.services.size();
        if (choose_services(device))
            kept.push_back(std::move(device));
        else
            plan_.additions.services.resize(before);
    }
    plan_.server.devices = std::move(kept);
    if (auto found = find_what_exists(); !found)
        return found.error();
    if (auto done = add_listeners(); !done)
        return done.error();
    if (options_.kind == "c-lock" && !plan_.server.devices.empty())
        if (auto done = accept_c_lock(); !done)
            return done.error();
    std::ranges::stable_sort(plan_.server.rows, {}, &Row::line);
    return std::move(plan_);
}

} // namespace

std::string_view name_of(Fate fate) {
    switch (fate) {
    case Fate::taken:
        return "taken over";
    case Fate::no_equivalent:
        return "no equivalent";
    case Fate::not_taken:
        return "not taken over";
    case Fate::not_understood:
        break;
    }
    return "not understood";
}

std::string as_name(std::string_view text) {
    std::string name;
    for (const char c : trimmed(text)) {
        const bool is_first = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        const bool is_good = is_first || c == '-' || c == '_' || c == '.';
        if (name.size() < kMaxName && (is_first || (!name.empty() && (is_good || name.back() != '-'))))
            name += is_good ? c : '-';
    }
    while (!name.empty() && name.back() == '-')
        name.pop_back();
    return name;
}

std::string Plan::what_shuts() const {
    std::string text;
    for (const auto& [name, port] : additions.services)
        text += (text.empty() ? "" : ", ") + name + " (" + port.text() + ")";
    return text;
}

Result<Plan> make_plan(OldServer server, const config::Config& config, const ImportOptions& options,
                       const std::set<Address>& own) {
    return Planner(std::move(server), config, options, own).run();
}

} // namespace xk::tools::takeover
