// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor.h"

#include "daemon/config/config.h"
#include "daemon/nft/fence.h"
#include "daemon/nft/transaction.h"
#include "daemon/xdp/own_addresses.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/doctor/bridges.h"
#include "tools/knockctl/doctor/firewall.h"
#include "tools/knockctl/doctor/host.h"
#include "tools/knockctl/doctor/listeners.h"
#include "tools/knockctl/doctor/ruleset.h"
#include "tools/knockctl/doctor/saved.h"
#include "tools/knockctl/doctor/stealth.h"
#include "tools/knockctl/doctor/ways.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>

namespace xk::tools {
namespace {

using nlohmann::json;

std::string_view name_of(Severity severity) {
    return severity == Severity::ok ? "ok" : severity == Severity::advice ? "advice" : "problem";
}

// After a start that failed: what stands then, or will not.
void check_failure(const Result<config::Config>& config, bool judges, Findings& findings) {
    if (config && config->gate_mode == config::GateMode::table && !config->shut_on_failure)
        findings.push_back({Severity::advice, "config",
                            "gate.on_failure is open: a start that fails after a boot leaves the ports open", {}});
    if (config || judges)
        return;
    auto nft = nft::Socket::open();
    const auto stands = nft ? nft::fence_exists(*nft) : Result<bool>(false);
    if (stands && *stands)
        findings.push_back({Severity::problem, "daemon",
                            "shut, judging nothing: the ruleset stands, and xknockd does not start with this configuration",
                            "mend it and \"systemctl start xknockd\"; or \"xknockd --remove\", which opens the ports"});
}

// `known`: the configuration as it is read now, if it can be.
void check_daemon(const std::string& config_file, const config::Config* known, const Result<json>& status,
                  Findings& findings) {
    if (!status) {
        findings.push_back({Severity::problem, "daemon", status.error().message,
                            status.error().hint.empty() ? "systemctl status xknockd" : status.error().hint});
        return;
    }
    const auto before = findings.size();
    // The files' own faults are said already.
    for (const json& out : status->value("disabled", json::array()))
        if (!known || !config::names(known->disabled, out.value("file", "")))
            for (const json& fault : out.value("faults", json::array()))
                findings.push_back({Severity::problem, "daemon", printable(fault.get<std::string>(), 2000),
                                    "whom it describes is disabled; mend it, then knockctl reload"});
    const std::string file = status->value("config", "");
    if (file != config_file)
        findings.push_back({Severity::advice, "daemon", "xknockd runs with another configuration, " + in_quotes(file),
                            "knockctl doctor -c " + printable(file)});
    if (status->value("clock", "") == "wrong")
        findings.push_back({Severity::problem, "daemon", "xknockd does not believe the clock: no knock is let in",
                            "set the clock; if it is right: knockctl clock accept"});
    if (findings.size() == before)
        findings.push_back({Severity::ok, "daemon", "xknockd runs", {}});
}

void check_rules(const config::Config& config, Findings& findings) {
    auto ruleset = Ruleset::read();
    if (!ruleset) {
        findings.push_back({Severity::problem, "firewall", ruleset.error().message, ruleset.error().hint});
        return;
    }
    auto addresses = xdp::OwnAddresses::open();
    const Firewall firewall{config, *ruleset, addresses ? addresses->all() : std::set<Address>()};
    check_fence(firewall, findings);
    check_others(firewall, findings);
    check_ways(firewall, read_ways(*ruleset), findings);
    const auto listeners = list_listeners();
    check_listeners(firewall, listeners, findings);
    check_stealth(firewall, listeners, findings);
    check_kernel(ruleset->find("inet", nft::kTable, "prerouting") != nullptr, findings);
}

} // namespace

Findings examine(const std::string& config_file, const std::function<Result<json>()>& status) {
    Findings findings;
    auto config = config::load_config(config_file, config::Identity::required, config::UserFaults::disable);
    if (config && !config->disabled.empty()) {
        for (const config::Disabled& disabled : config->disabled)
            for (const std::string& fault : disabled.faults)
                findings.push_back({Severity::problem, "config", fault, "whom the file describes is disabled, or would be"});
    } else if (config) {
        findings.push_back({Severity::ok, "config", config_file + " is good", {}});
    } else {
        std::istringstream faults(config.error().message);
        for (std::string fault; std::getline(faults, fault);)
            findings.push_back({Severity::problem, "config", fault, config.error().hint});
    }
    const auto answer = status();
    check_daemon(config_file, config ? &*config : nullptr, answer, findings);
    check_failure(config, answer.has_value(), findings);
    if (config) {
        check_files(*config, findings);
        check_interfaces(*config, findings);
        check_bridges(*config, read_bridges(*config), findings);
        check_rules(*config, findings);
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
