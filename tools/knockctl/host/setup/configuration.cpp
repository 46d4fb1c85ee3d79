// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/setup/configuration.h"

#include "daemon/config/machines.h"
#include "daemon/xdp/own_addresses.h"
#include "protocol/base/directory.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "tools/knockctl/doctor/bridges.h"
#include "tools/knockctl/doctor/firewall.h"
#include "tools/knockctl/doctor/host.h"
#include "tools/knockctl/doctor/knock_port.h"
#include "tools/knockctl/doctor/ruleset.h"
#include "tools/knockctl/host/setup/words.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>

namespace xk::tools::setup {
namespace {

template <typename T, typename Text>
std::string yaml_list(const std::vector<T>& items, Text text) {
    std::string list = "[";
    for (std::size_t i = 0; i < items.size(); ++i)
        list += (i == 0 ? "" : ", ") + text(items[i]);
    return list + "]";
}

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

// YAML reads some names as something else ("no", "1e3").
std::string plain(const std::string& name) {
    const bool is_word =
        std::isalpha(static_cast<unsigned char>(name.front())) != 0 && std::ranges::all_of(name, [](char c) {
            return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
        });
    for (const char* const special : {"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
        if (lower(name) == special)
            return quoted(name);
    return is_word ? name : quoted(name);
}

std::string services_yaml(const std::vector<Hidden>& hidden) {
    std::string text = "services:\n";
    for (const Hidden& one : hidden)
        text += "  " + plain(one.service) + ": " +
                (one.ports.size() == 1 ? one.ports[0].text()
                                       : yaml_list(one.ports, [](const PortRange& ports) { return ports.text(); })) +
                "\n";
    return text;
}

// Errors of a configuration begin with its file, on each line.
std::string renamed(std::string text, const std::string& from, const std::string& to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
    return text;
}

} // namespace

std::string configuration_text(const Answers& answers) {
    return "# Configuration of xknockd, written by \"knockctl setup\". \"knockctl check\" reads it and says what is "
           "wrong, \"knockctl\n"
           "# reload\" makes a change count. docs/configuration.md describes every key. What is commented out is the "
           "default.\n\n"
           "# Where knocks come in. Each interface gets the filter.\n"
           "interfaces: " +
           yaml_list(answers.interfaces, plain) +
           "\n\n"
           "# What knocks open: a name and its ports. These are shut to everybody who has no grant. Who may open what "
           "stands in\n"
           "# users/*.yaml.\n" +
           services_yaml(answers.hidden) +
           "\n"
           "# The UDP port of knocks. A firewall in front of this host must let it through.\n" +
           (answers.port == wire::kDefaultPort ? "#" : "") + "port: " + std::to_string(answers.port) +
           "\n\n"
           "gate:\n"
           "  # Networks that need no knock: a way back in when everything else fails.\n"
           "  allow: " +
           yaml_list(answers.allow, [](const Prefix& network) { return quoted(network.text()); }) +
           "\n"
           "  # What strangers see of protected ports: nothing (drop), or what the host says of any closed port "
           "(closed).\n"
           "  #stealth: drop\n\n"
           "xdp:\n"
           "  # Native XDP is tried first. A driver that has none makes every packet cost more, and knocks are heard.\n"
           "  allow_generic: true\n\n"
           "#control:\n"
           "  # Groups that may use knockctl besides root: all of it, or only what shows.\n"
           "  #admin_group: xknock-admin\n"
           "  #read_group: xknock-read\n";
}

Result<config::Config> check_text(const std::string& file, const std::string& text) {
    const std::string directory = config::directory_of(file), candidate = directory + "/.xknock.yaml.setup";
    if (auto made = create_directory(directory, 0755, {}, {}); !made)
        return made.error();
    if (auto written = write_file(candidate, text, 0644, true); !written)
        return written.error();
    const bool has_identity = ::access((directory + "/server_id").c_str(), F_OK) == 0;
    auto config = config::load_config(candidate, has_identity ? config::Identity::required : config::Identity::absent);
    if (auto gone = remove_file(candidate, false); !gone)
        return gone.error();
    if (config)
        config->file = file;
    else
        config.error().message = renamed(config.error().message, candidate, file);
    return config;
}

Result<void> put_configuration(const std::string& file, const std::string& text, bool replace) {
    if (replace && ::access(file.c_str(), F_OK) == 0) {
        const auto old = read_checked(file, {});
        if (!old)
            return old.error();
        if (auto kept = write_file(file + ".before-setup", *old, 0644, true); !kept)
            return kept;
    }
    return write_file(file, text, 0644, replace);
}

Findings find_obstacles(const config::Config& config) {
    Findings findings;
    const auto ruleset = Ruleset::read();
    if (ruleset) {
        const auto addresses = xdp::OwnAddresses::open();
        const std::set<Address> own = addresses ? addresses->all() : std::set<Address>();
        const Firewall firewall{config, *ruleset, own};
        check_others(firewall, findings);
        check_knock_port(config, list_listeners(), findings);
    } else {
        findings.push_back({Severity::advice, "firewall", ruleset.error().message, ruleset.error().hint});
    }
    check_bridges(config, read_bridges(config), findings);
    check_legacy_tables(findings);
    check_kernel(false, findings);
    std::erase_if(findings, [](const Finding& finding) { return finding.severity == Severity::ok; });
    std::ranges::stable_sort(findings, [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
    return findings;
}

std::string services_text(const config::Config& config) {
    std::string text;
    for (const authz::Service& service : config.policy.services) {
        text += (text.empty() ? "" : ", ") + std::string(service.name.view()) + " (";
        bool first = true;
        for (const PortRange& ports : service.all_ports()) {
            text += (first ? "" : " ") + ports.text();
            first = false;
        }
        text += ")";
    }
    return text;
}

namespace {

Error kept_error(const config::Config& config, const std::string& what) {
    return {config.file + " is kept as it is, and it does not have " + what,
            "change it there, or let --replace write a new one", Exit::usage};
}

} // namespace

Result<void> check_kept(const config::Config& config, const SetupOptions& options, const Surroundings& around) {
    for (const std::string& name : options.interfaces)
        if (std::ranges::count(config.interfaces, name) == 0)
            return kept_error(config, "interface " + in_quotes(name));
    const auto hidden = parse_hidden(options.hide, around);
    if (!hidden && !options.hide.empty())
        return hidden.error();
    for (const Hidden& one : hidden ? *hidden : std::vector<Hidden>())
        for (const PortRange& ports : one.ports)
            if (std::ranges::none_of(config.policy.services, [&](const authz::Service& service) {
                    const auto all = service.all_ports();
                    return !service.is_behind() && std::ranges::find(all, ports) != all.end();
                }))
                return kept_error(config, ports.text() + " in a service");
    const auto allow = parse_allow(options.allow, around);
    if (!allow)
        return allow.error();
    for (const Prefix& network : *allow)
        if (std::ranges::none_of(config.allow, [&](const Prefix& have) { return have.contains(network); }))
            return kept_error(config, network.text() + " in gate.allow");
    if (!options.port.empty()) {
        const auto port = parse_knock_port(options.port);
        if (!port)
            return port.error();
        if (*port != config.port)
            return kept_error(config, "port " + options.port);
    }
    return {};
}

} // namespace xk::tools::setup
