// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/doctor.h"

#include "daemon/authz/state.h"
#include "daemon/config/config.h"
#include "daemon/config/machines.h"
#include "daemon/nft/ruleset.h"
#include "daemon/nft/transaction.h"
#include "daemon/xdp/own_addresses.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "tools/knockctl/doctor/bridges.h"
#include "tools/knockctl/doctor/firewall.h"
#include "tools/knockctl/doctor/host.h"
#include "tools/knockctl/doctor/knock_port.h"
#include "tools/knockctl/doctor/listeners.h"
#include "tools/knockctl/doctor/ruleset.h"
#include "tools/knockctl/doctor/saved.h"
#include "tools/knockctl/doctor/stealth.h"
#include "tools/knockctl/doctor/ways.h"

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <sstream>

namespace xk::tools {
namespace {

using nlohmann::json;

std::string_view name_of(Severity severity) {
    return severity == Severity::ok ? "ok" : severity == Severity::advice ? "advice" : "problem";
}

// What a daemon that does not answer left in the kernel.
enum class Silence {
    none,           // the daemon answers
    never_started,  // it never ran on this host
    shut,           // our table stands
    judges_nothing, // the same, and no xknockd starts with this configuration
    open,           // there is no table of ours
};

// Every daemon that ran has written a copy of its memory. keygen writes the very first copy.
bool was_started(const config::Config& config) {
    const std::string path = config.state_directory + "/state";
    if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT)
        return false;
    FileRules rules;
    rules.owner = config.account.uid;
    rules.max_size = 2 * authz::state_size(authz::kMostReplayEntries);
    const auto copy = read_checked(path, rules);
    return !copy || !authz::is_first_copy({reinterpret_cast<const std::uint8_t*>(copy->data()), copy->size()});
}

Silence silence_of(const Result<config::Config>& config, const Result<json>& status) {
    if (status)
        return Silence::none;
    if (config && config->gate_mode != config::GateMode::table)
        return Silence::open;
    auto socket = nft::Socket::open_nf_tables();
    const auto stands = socket ? nft::ruleset_exists(*socket) : Result<bool>(socket.error());
    if (stands && *stands)
        return config ? Silence::shut : Silence::judges_nothing;
    return !config || was_started(*config) ? Silence::open : Silence::never_started;
}

void check_silent_daemon(Silence silence, const Error& error, Findings& findings) {
    if (silence == Silence::never_started)
        return findings.push_back({Severity::advice, "daemon",
                                   "xknockd was not started yet: nothing is shut, and no knock is heard",
                                   "knockctl try 5m starts it on trial; \"knockctl confirm\" lets it stay"});
    // Nobody listens at the socket; a daemon that is busy, or refuses this caller, is another case.
    const bool is_down = error.message.starts_with("connecting to");
    if (silence == Silence::judges_nothing && is_down)
        return findings.push_back(
            {Severity::problem, "daemon",
             "shut, judging nothing: the ruleset stands, and xknockd does not start with this "
             "configuration",
             "mend it and \"systemctl start xknockd\"; or \"xknockd --remove\", which opens the ports"});
    if (silence == Silence::shut && is_down)
        return findings.push_back({Severity::problem, "daemon",
                                   "the daemon is down and the ports are shut: nobody gets in (" + error.message + ")",
                                   "systemctl start xknockd; journalctl -u xknockd says why it ended; "
                                   "\"xknockd --remove\" opens the ports"});
    findings.push_back(
        {Severity::problem, "daemon", error.message, error.hint.empty() ? "systemctl status xknockd" : error.hint});
}

// `known`: the configuration as it is read now, if it can be.
void check_daemon(const std::string& config_file, const config::Config* known, const json& status, Findings& findings) {
    const auto before = findings.size();
    // Faults of the files are reported already.
    for (const json& out : status.value("disabled", json::array()))
        if (!known || !config::names(known->disabled, out.value("file", "")))
            for (const json& fault : out.value("faults", json::array()))
                findings.push_back({Severity::problem, "daemon", as_line(fault.get<std::string>()),
                                    "whom it describes is disabled; mend it, then knockctl reload"});
    const std::string file = status.value("config", ""), version = status.value("version", "");
    if (file != config_file)
        findings.push_back({Severity::advice, "daemon", "xknockd runs with another configuration, " + in_quotes(file),
                            "knockctl doctor -c " + printable(file)});
    if (version != XK_VERSION)
        findings.push_back({Severity::advice, "daemon",
                            "xknockd " + printable(version) + " runs, and " XK_VERSION " is installed",
                            "systemctl restart xknockd; grants, bans and sessions stay"});
    if (status.value("clock", "") == "wrong")
        findings.push_back({Severity::problem, "daemon", "xknockd does not believe the clock: no knock is let in",
                            "set the clock; if it is right: knockctl clock accept"});
    if (status.value("handshakes", "") == "unanswered")
        findings.push_back(
            {Severity::problem, "daemon", "devices may knock by handshake, and the unit lets xknockd send no answer",
             "install the drop-in examples/handshake.conf, as its first lines say, and restart xknockd"});
    if (findings.size() == before)
        findings.push_back({Severity::ok, "daemon", "xknockd runs", {}});
}

void check_identity(const config::Config& config, Findings& findings) {
    const auto carrier = config::find_carrier(config::directory_of(config.file), config.policy.settings.server);
    if (!carrier)
        findings.push_back({Severity::problem, "identity", carrier.error().message, carrier.error().hint});
    else if (*carrier == config::Carrier::another)
        findings.push_back({Severity::problem, "identity",
                            "this server's identity was made for another machine: a knock that was used there can be "
                            "used here",
                            "knockctl identity new; or, if this machine may carry it: knockctl identity keep"});
    else if (*carrier == config::Carrier::unnamed)
        findings.push_back({Severity::advice, "identity",
                            "it is not written down which machine carries the identity: a copy would not be noticed",
                            "knockctl identity keep"});
    else
        findings.push_back({Severity::ok, "identity", "this machine carries the identity", {}});
}

void check_rules(const config::Config& config, bool started, Findings& findings) {
    auto ruleset = Ruleset::read();
    if (!ruleset) {
        findings.push_back({Severity::problem, "firewall", ruleset.error().message, ruleset.error().hint});
        return;
    }
    auto addresses = xdp::OwnAddresses::open();
    const Firewall firewall{config, *ruleset, addresses ? addresses->all() : std::set<Address>()};
    if (started)
        check_ruleset(firewall, findings);
    check_others(firewall, findings);
    check_ways(firewall, read_ways(*ruleset), findings);
    const auto listeners = list_listeners();
    check_listeners(firewall, listeners, findings);
    check_stealth(firewall, listeners, findings);
    check_knock_port(config, listeners, findings);
    check_kernel(ruleset->find("inet", nft::kTable, "prerouting") != nullptr, findings);
}

} // namespace

Findings examine(const std::string& config_file, const std::function<Result<json>()>& status) {
    Findings findings;
    auto config = config::load_config(config_file, config::Identity::required, config::UserFaults::disable);
    if (config && !config->disabled.empty()) {
        for (const config::Disabled& disabled : config->disabled)
            for (const std::string& fault : disabled.faults)
                findings.push_back(
                    {Severity::problem, "config", fault, "whom the file describes is disabled, or would be"});
    } else if (config) {
        findings.push_back({Severity::ok, "config", config_file + " is good", {}});
    } else {
        std::istringstream faults(config.error().message);
        for (std::string fault; std::getline(faults, fault);)
            findings.push_back({Severity::problem, "config", fault, config.error().hint});
    }
    const auto answer = status();
    const Silence silence = silence_of(config, answer);
    if (answer)
        check_daemon(config_file, config ? &*config : nullptr, *answer, findings);
    else
        check_silent_daemon(silence, answer.error(), findings);
    if (config && config->gate_mode == config::GateMode::table && !config->shut_on_failure)
        findings.push_back({Severity::advice,
                            "config",
                            "gate.on_failure is open: a start that fails after a boot leaves the ports open",
                            {}});
    if (config) {
        const bool started = silence != Silence::never_started;
        check_files(*config, findings);
        check_identity(*config, findings);
        check_interfaces(*config, started, findings);
        check_bridges(*config, read_bridges(*config), findings);
        check_rules(*config, started, findings);
    } else {
        check_kernel(true, findings);
    }
    check_legacy_tables(findings);
    check_saved_rulesets(findings);
    check_clock(findings);
    std::ranges::stable_sort(findings, [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
    return findings;
}

std::string show_findings(const Findings& findings) {
    std::string out;
    for (const Finding& finding : findings) {
        const std::string severity(name_of(finding.severity));
        out += severity + std::string(9 - severity.size(), ' ') + finding.check + ": " + finding.message + "\n";
        if (!finding.hint.empty())
            out += "           hint: " + finding.hint + "\n";
    }
    return out;
}

json findings_json(const Findings& findings) {
    json list = json::array();
    for (const Finding& finding : findings)
        list.push_back({{"severity", name_of(finding.severity)},
                        {"check", finding.check},
                        {"message", finding.message},
                        {"hint", finding.hint}});
    return {{"findings", list}};
}

bool has_problem(const Findings& findings) {
    return std::ranges::any_of(findings, [](const Finding& finding) { return finding.severity == Severity::problem; });
}

} // namespace xk::tools
