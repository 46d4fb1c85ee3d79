// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor.h"

#include "daemon/config/config.h"
#include "daemon/nft/fence.h"
#include "daemon/xdp/own_addresses.h"
#include "protocol/base/quote.h"
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

void check_daemon(const std::string& config_file, const Result<json>& status, Findings& findings) {
    if (!status) {
        findings.push_back({Severity::problem, "daemon", status.error().message,
                            status.error().hint.empty() ? "systemctl status xknockd" : status.error().hint});
        return;
    }
    const auto before = findings.size();
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
    auto config = config::load_config(config_file);
    if (config) {
        findings.push_back({Severity::ok, "config", config_file + " is good", {}});
    } else {
        std::istringstream faults(config.error().message);
        for (std::string fault; std::getline(faults, fault);)
            findings.push_back({Severity::problem, "config", fault, config.error().hint});
    }
    check_daemon(config_file, status(), findings);
    if (config) {
        check_files(*config, findings);
        check_interfaces(*config, findings);
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
