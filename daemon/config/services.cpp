// SPDX-License-Identifier: MIT
#include "daemon/config/services.h"

#include "daemon/config/forms.h"
#include "daemon/config/sections.h"
#include "protocol/base/duration.h"
#include "protocol/base/quote.h"

#include <algorithm>
#include <map>
#include <optional>

namespace xk::config {
namespace {

using authz::Service;
using yaml::Place;
using yaml::Scalar;
using yaml::Section;

constexpr std::chrono::seconds kShortestIdle{4};
constexpr std::size_t kMaxRanges = 64; // of all services: each is a rule and two sets

// "198.51.100.7", or with the port of the target: "198.51.100.7:22", "[2001:db8::7]:22".
struct TargetText {
    Address address;
    std::optional<std::uint16_t> port;
};

Result<TargetText> parse_target(std::string_view text) {
    TargetText target;
    std::string_view address = text;
    const auto colon = text.rfind(':');
    const bool bracket = text.starts_with('[');
    if (colon != text.npos && (bracket || text.find(':') == colon)) {
        const auto port = Endpoint::parse("tcp/" + std::string(text.substr(colon + 1)));
        if (!port)
            return Error{in_quotes(text) + " has no port behind its colon",
                         "write 198.51.100.7:22 or [2001:db8::7]:22"};
        target.port = port->port;
        address = text.substr(0, colon);
    }
    if (bracket && address.ends_with(']'))
        address = address.substr(1, address.size() - 2);
    auto parsed = Address::parse(address);
    if (!parsed)
        return parsed.error();
    if (!parsed->is_grantable())
        return Error{parsed->text() + " is not the address of a host behind this one", {}};
    target.address = *parsed;
    return target;
}

class Services {
  public:
    Services(Section& section, const std::vector<std::uint16_t>& knock_ports)
        : section_(section), faults_(section.faults()), knock_ports_(knock_ports) {}

    ServiceTable read() {
        for (const Scalar& name : section_.keys())
            read_service(name);
        if (ranges_ > kMaxRanges)
            faults_.add(section_.place(), "there are more than " + std::to_string(kMaxRanges) + " ranges of ports");
        return {std::move(services_), std::move(hooks_)};
    }

  private:
    void read_service(const Scalar& name);
    void read_rules(Service& service, Section& rules);
    void read_target(Service& service, Section& rules);
    void check(const Service& service, const Place& place);
    void add_ports(Service& service, const std::vector<Scalar>& texts);
    void claim(const Service& service, const Address& target, const PortRange& ports, const Place& place);

    Section& section_;
    yaml::Faults& faults_;
    const std::vector<std::uint16_t>& knock_ports_;
    std::size_t ranges_ = 0;
    bool has_bad_port_ = false; // of the service that is read
    std::vector<Service> services_;
    std::vector<ServiceHooks> hooks_;
    std::map<ServiceId, std::string> ids_;
    struct Claim {
        Address target;
        PortRange ports;
        std::string service;
        int line;
    };
    std::vector<Claim> claims_;
};

void Services::claim(const Service& service, const Address& target, const PortRange& ports, const Place& place) {
    for (const Claim& other : claims_)
        if (other.target == target && other.ports.meets(ports))
            return faults_.add(place, ports.text() + " belongs to service " + in_quotes(other.service) + " already",
                               "see line " + std::to_string(other.line));
    for (std::size_t i = 0; target == Address{} && i < knock_ports_.size(); ++i)
        if (ports.has({IpProtocol::udp, knock_ports_[i]}))
            return faults_.add(place, ports.text() + (ports.is_single() ? " is " : " holds ") +
                                          (i == 0 ? "the knock port" : "a port of old clients (\"legacy\")"));
    claims_.push_back({target, ports, std::string(service.name.view()), place.line});
}

void Services::add_ports(Service& service, const std::vector<Scalar>& texts) {
    for (const Scalar& text : texts) {
        const auto ports = section_.parse_at(text, PortRange::parse);
        if (!ports) {
            has_bad_port_ = true;
            continue;
        }
        ranges_ += !ports->is_single();
        if (service.port_count == authz::kMaxPorts) {
            faults_.add(text.place, "a service has at most " + std::to_string(authz::kMaxPorts) + " ports or ranges");
            return;
        }
        service.ports[service.port_count++] = *ports;
        if (!service.is_behind())
            claim(service, {}, *ports, text.place);
        for (const Address& target : {service.target4, service.target6})
            if (target != Address{})
                claim(service, target, *ports, text.place);
    }
}

void Services::read_service(const Scalar& name) {
    if (!is_name(name.value) || name.value == kAllServices) {
        faults_.add(name.place, in_quotes(name.value) +
                                    (name.value == kAllServices ? " stands for all services" : " is not a name"));
        (void)section_.is_mapping(name.value);
        return;
    }
    has_bad_port_ = false;
    Service service;
    service.name = authz::Name(name.value);
    service.id = service_id(name.value);
    if (const auto [known, added] = ids_.emplace(service.id, name.value); !added)
        faults_.add(name.place,
                    "services " + in_quotes(name.value) + " and " + in_quotes(known->second) +
                        " have the same id on the wire",
                    "rename one of them");
    ServiceHooks hooks;
    if (!section_.is_mapping(name.value)) {
        add_ports(service, section_.scalars(name.value, yaml::EmptyList::fine).value_or(std::vector<Scalar>{}));
    } else if (auto rules = section_.section(name.value)) {
        read_target(service, *rules);
        add_ports(service, rules->scalars("ports", yaml::EmptyList::fine).value_or(std::vector<Scalar>{}));
        read_rules(service, *rules);
        hooks = read_service_hooks(*rules);
        rules->finish();
    }
    check(service, name.place);
    if (services_.size() == authz::kMaxServices) {
        faults_.add(name.place, "there are more than " + std::to_string(authz::kMaxServices) + " services");
        return;
    }
    services_.push_back(service);
    hooks_.push_back(std::move(hooks));
}

void Services::read_target(Service& service, Section& rules) {
    for (const Scalar& text : rules.scalars("target").value_or(std::vector<Scalar>{})) {
        const auto target = rules.parse_at(text, parse_target);
        if (!target)
            continue;
        Address& place = target->address.is_v4() ? service.target4 : service.target6;
        if (place != Address{})
            faults_.add(text.place, "a service has one target of each family");
        place = target->address;
        if (target->port && service.port_count == 0)
            add_ports(service, {{"tcp/" + std::to_string(*target->port), text.place}});
        else if (target->port && service.ports[0].first != *target->port)
            faults_.add(text.place, "both targets have the same port");
        else if (service.port_count != 0) // of the first target
            claim(service, target->address, service.ports[0], text.place);
    }
    if (const auto published = rules.parsed("public", Endpoint::parse)) {
        service.published = *published;
        claim(service, {}, PortRange::of(*published), rules.place_of_key("public"));
    }
}

void Services::read_rules(Service& service, Section& rules) {
    service.lifetime = rules.parsed("lifetime", parse_lifetime).value_or(std::chrono::seconds(0));
    service.max_lifetime = rules.parsed("max_lifetime", parse_lifetime).value_or(std::chrono::seconds(0));
    if (service.max_lifetime.count() != 0 && service.lifetime > service.max_lifetime)
        faults_.add(rules.place(), "lifetime is longer than max_lifetime");
    if (const auto after = rules.scalar("after")) {
        const std::pair<const char*, authz::After> names[] = {
            {"keep", authz::After::keep}, {"cut", authz::After::cut}, {"idle", authz::After::idle}};
        const auto found = std::ranges::find_if(names, [&](const auto& n) { return after->value == n.first; });
        if (found == std::end(names))
            faults_.add(after->place, in_quotes(after->value) + " is neither keep, cut nor idle");
        else
            service.after = found->second;
    }
    const auto idle = rules.parsed("idle", parse_lifetime);
    if (idle.has_value() != (service.after == authz::After::idle))
        faults_.add(rules.place(), idle ? "\"idle\" is for \"after: idle\" only" : "\"after: idle\" needs \"idle\"",
                    "idle: 10m is the time that a grant lives on after its last session");
    service.idle = idle.value_or(std::chrono::seconds(0));
    if (idle && *idle < kShortestIdle)
        faults_.add(rules.place_of_key("idle"),
                    "sessions are looked for once a second: \"idle\" is at least " + duration_text(kShortestIdle));
    if (const auto number = rules.number("max_connections", 1, 65535))
        service.max_connections = static_cast<std::uint32_t>(*number);
    service.single_use = rules.boolean("single").value_or(false);
    if (service.single_use && service.after != authz::After::keep)
        faults_.add(rules.place(), "\"single\" ends a grant with its first connection: \"after\" can only be keep");
}

void Services::check(const Service& service, const Place& place) {
    const std::string name = "service " + in_quotes(service.name.view());
    if (service.port_count == 0 && !has_bad_port_) // else the fault is that port
        faults_.add(place, name + " has no port");
    if (service.has_ranges() && (service.is_behind() || service.max_connections != 0 || service.single_use))
        faults_.add(place, name + " has a range of ports, which goes with neither target, max_connections nor single");
    if (service.published.port == 0)
        return;
    if (!service.is_behind())
        faults_.add(place, name + " has a public port, and no target that it leads to");
    else if (service.port_count != 1)
        faults_.add(place, name + " has a public port, so it has one port of its target");
    else if (service.ports[0].protocol != service.published.protocol)
        faults_.add(place, name + ": the public port and the target's are of different protocols");
}

} // namespace

ServiceTable read_services(Section& main, const std::vector<std::uint16_t>& knock_ports) {
    main.require("services");
    auto section = main.section("services");
    if (!section)
        return {};
    if (section->keys().empty())
        main.faults().add(main.place_of_key("services"), "there is no service: nothing would be protected");
    return Services(*section, knock_ports).read();
}

bool needs_own_table(const Service& service) {
    return service.is_behind() || service.has_ranges() || service.max_connections != 0 || service.single_use ||
           service.after == authz::After::cut;
}

} // namespace xk::config
