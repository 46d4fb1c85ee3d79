// SPDX-License-Identifier: MIT
// "gate" of the main file: the ruleset, and the networks that need no knock.
#include "daemon/authz/replay.h"
#include "daemon/config/config.h"
#include "daemon/config/forms.h"
#include "daemon/config/sections.h"
#include "daemon/config/services.h"
#include "protocol/base/quote.h"

namespace xk::config {
using yaml::EmptyList;
using yaml::Section;

namespace {

constexpr std::size_t kMaxGrantsCeiling = 65536;
constexpr std::size_t kMaxAllow = 256;
static_assert(kStandardReplayEntries == authz::kReplayEntries);

void read_mode(Section& gate, Config& config) {
    const auto mode = gate.scalar("mode");
    if (!mode)
        return;
    if (mode->value == "external")
        config.gate_mode = GateMode::external;
    else if (mode->value != "table")
        gate.faults().add(mode->place, in_quotes(mode->value) + " is neither table nor external");
}

void read_gate_networks(Section& gate, Config& config) {
    config.allow = read_networks(gate, "allow", kMaxAllow, EmptyList::fine);
    for (const Prefix& prefix : config.allow)
        if (prefix.length == 0 || (prefix.is_v4() && prefix.length == 96))
            gate.faults().add(gate.place_of_key("allow"), in_quotes(prefix.text()) + " allows everybody",
                              "there is then no gate");
    config.never_ban = read_networks(gate, "never_ban", kMaxAllow, EmptyList::fine);
}

void read_on_failure(Section& gate, Config& config) {
    const auto on_failure = gate.scalar("on_failure");
    if (!on_failure)
        return;
    config.shut_on_failure = on_failure->value == "shut";
    if (on_failure->value != "shut" && on_failure->value != "open")
        gate.faults().add(on_failure->place, in_quotes(on_failure->value) + " is neither shut nor open");
}

void read_sizes(Section& gate, Config& config) {
    config.max_grants = gate.number("max_grants", 1, kMaxGrantsCeiling).value_or(config.max_grants);
    config.replay_entries = gate.number("replay_entries", authz::kFewestReplayEntries, authz::kMostReplayEntries)
                                .value_or(config.replay_entries);
}

// True if the section is there.
bool read_external(Section& gate, Config& config) {
    auto external = gate.section("external");
    if (!external)
        return false;
    const auto text = [&](const char* key) {
        external->require(key);
        const auto value = external->scalar(key);
        if (value && value->value.empty())
            gate.faults().add(value->place, in_quotes(key) + " is empty");
        return value ? value->value : std::string();
    };
    config.external = {text("table"), text("set4"), text("set6")};
    external->finish();
    return true;
}

// Names the keys that do not fit the mode.
void check_mode(Section& gate, const Config& config, bool has_external) {
    yaml::Faults& faults = gate.faults();
    if (config.gate_mode == GateMode::table) {
        if (has_external)
            faults.add(gate.place(), "\"external\" is for gate mode \"external\" only");
        return;
    }
    if (!has_external)
        faults.add(gate.place(), "gate mode \"external\" needs \"external\" with table, set4 and set6");
    if (config.gate_closed)
        faults.add(gate.place_of_key("stealth"), "\"stealth\" of the gate is for gate mode \"table\" only",
                   "in mode \"external\" your own rules answer");
    if (!config.allow.empty())
        faults.add(gate.place(), "\"allow\" is for gate mode \"table\" only",
                   "in mode \"external\" your own rules decide");
    for (const authz::Service& service : config.policy.services)
        if (needs_own_table(service))
            faults.add(gate.place(), "service " + in_quotes(service.name.view()) +
                                         " has a range, a target, max_connections, single or after: cut, which gate "
                                         "mode \"external\" cannot do");
}

} // namespace

void read_gate(Section& main, Config& config) {
    auto gate = main.section("gate");
    if (!gate)
        return;
    read_mode(*gate, config);
    config.gate_closed = read_stealth(*gate);
    read_gate_networks(*gate, config);
    config.gate_owned = gate->boolean("owned").value_or(config.gate_owned);
    read_on_failure(*gate, config);
    read_sizes(*gate, config);
    check_mode(*gate, config, read_external(*gate, config));
    gate->finish();
}

} // namespace xk::config
