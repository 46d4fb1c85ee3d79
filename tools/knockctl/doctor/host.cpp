// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/host.h"

#include "daemon/xdp/hook_query.h"
#include "daemon/xdp/link_layer.h"
#include "daemon/xdp/links.h"
#include "protocol/base/entries.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/doctor/bounded.h"
#include "tools/knockctl/doctor/command.h"
#include "tools/knockctl/doctor/link.h"

#include <net/if.h>
#include <sys/timex.h>

#include <filesystem>
#include <optional>
#include <set>
#include <sstream>

namespace xk::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCost =
    "generic mode works behind the driver and copies each large TCP packet into one piece: all "
    "traffic of the interface becomes slower";

std::string instead_of(const std::string& interface) {
    std::string list;
    for (const std::string& below : xdp::interfaces_below(interface))
        list += (list.empty() ? "; what it is made of may have the filter in native mode: " : ", ") + below;
    return list;
}

void check_filter(const config::Config& config, const std::string& interface, const LinkState& link, bool wanted,
                  Findings& findings) {
    const auto say = [&](Severity severity, const std::string& message, const std::string& hint) {
        findings.push_back({severity, "interface", interface + ": " + message, hint});
    };
    auto presence = xdp::query_hook(interface, config.pin_directory);
    if (!presence)
        return say(Severity::problem, presence.error().message, presence.error().hint);
    if (presence->program != 0 && !presence->ours)
        return say(Severity::problem,
                   "XDP program " + in_quotes(presence->name) + " (id " + std::to_string(presence->program) +
                       ") is attached, and it is not xknock's: no knock is heard there",
                   "bpftool net show dev " + interface + " says more; take it away, then restart xknockd");
    const auto its = xdp::read_link(static_cast<int>(::if_nametoindex(interface.c_str())));
    if (!its)
        return say(Severity::problem, its.error().message, its.error().hint);
    const bool native = presence->mode == xdp::Mode::native;
    if (its->layer == xdp::LinkLayer::none)
        say(Severity::advice, "it has no Ethernet header, and so generic mode only", kCost);
    else if (link.native_xdp == false && !native)
        say(config.allow_generic ? Severity::advice : Severity::problem,
            "its driver has no native XDP" + std::string(config.allow_generic ? "" : ": no knock is heard there"),
            (config.allow_generic ? "" : "\"xdp: {allow_generic: true}\" takes the generic mode; ") +
                std::string(kCost) + instead_of(interface));
    else if (presence->mode == xdp::Mode::generic)
        say(Severity::advice, "the filter works in generic mode", kCost);
    if (!native && its->mtu > xdp::largest_mtu_in_a_page())
        say(Severity::advice,
            "its MTU is " + std::to_string(its->mtu) +
                ", with which some drivers, and kernels before 5.18, refuse native XDP",
            "ip link set dev " + interface + " mtu " + std::to_string(xdp::largest_mtu_in_a_page()) +
                "; then restart xknockd");
    if (!native && (link.lro || link.gro_hw))
        say(Severity::advice,
            std::string(link.lro ? "LRO" : "hardware GRO") + " is on, with which many drivers refuse native XDP",
            "ethtool -K " + interface + (link.lro ? " lro off" : " rx-gro-hw off") + "; then restart xknockd");
    if (presence->program == 0 && wanted)
        say(Severity::problem, "no filter is attached: knocks are not heard there", "start xknockd");
    if (native)
        say(Severity::ok,
            "the filter is attached, in native mode" +
                std::string(xdp::takes_fragments() ? ""
                                                   : "; as long as it is, this kernel refuses an MTU above " +
                                                         std::to_string(xdp::largest_mtu_in_a_page())),
            {});
}

std::optional<unsigned long long> number_in(const std::string& path) {
    try {
        return std::stoull(first_line(path));
    } catch (const std::exception&) { // missing, or not a number
        return std::nullopt;
    }
}

// Whether a file with this beginning is a client's profile, which holds its key.
bool is_profile(const std::string& text) {
    constexpr int kLines = 40;
    std::istringstream in(text);
    std::string line;
    bool credential = false, key = false;
    for (int i = 0; i < kLines && std::getline(in, line); ++i) {
        credential |= line.starts_with("credential:");
        key |= line.starts_with("key:");
    }
    return credential && key;
}

// Looks for profiles. The last `below` parts of the path may belong to somebody who is not root.
void check_profiles(const fs::path& directory, int below, Findings& findings) {
    constexpr std::size_t kMost = 16 * 1024; // a profile has less than 1 KiB
    each_beginning(directory, below, ".yaml", kMost, [&](const Beginning& file) {
        if (file.open_to_others && is_profile(file.text))
            findings.push_back(
                {Severity::problem, "files",
                 in_quotes((directory / file.name).string()) + " is a profile with its key, and others can read it",
                 "chmod 600; whoever read it can knock, so enroll that device anew"});
    });
}

} // namespace

void check_interfaces(const config::Config& config, bool started, Findings& findings) {
    const bool none = !xdp::missing_interfaces(config.interfaces);
    for (const std::string& interface : config.interfaces) {
        const auto link = link_state(interface);
        if (!link) {
            findings.push_back({none ? Severity::problem : Severity::advice, "interface",
                                interface + ": there is no such interface: no knock is heard there until it comes",
                                "ip link shows those that are; \"interfaces\" names those on which knocks come in"});
            continue;
        }
        check_filter(config, interface, *link, started, findings);
    }
}

void check_clock(Findings& findings) {
    timex clock{};
    const int state = ::adjtimex(&clock);
    if (state == TIME_ERROR)
        findings.push_back({Severity::problem, "clock",
                            "the clock is not synchronised: knocks are refused when it is off by more than clock_skew",
                            "timedatectl set-ntp true, or chrony; \"timedatectl\" says whether it worked"});
    else if (state >= 0)
        findings.push_back({Severity::ok, "clock", "the clock is synchronised", {}});
}

void check_kernel(bool had_ruleset, Findings& findings) {
    const auto before = findings.size();
    if (number_in("/proc/sys/net/core/bpf_jit_enable") == 0u)
        findings.push_back({Severity::advice, "kernel",
                            "the kernel interprets BPF: the filter costs several times as much",
                            "sysctl -w net.core.bpf_jit_enable=1"});
    const std::string netfilter = "/proc/sys/net/netfilter/nf_conntrack_";
    if (!had_ruleset && number_in(netfilter + "tcp_loose") == 0u)
        findings.push_back(
            {Severity::advice, "kernel",
             "nf_conntrack_tcp_loose is 0: sessions that stand when the ruleset comes up for the first time may "
             "hang, this one too",
             "sysctl -w net.netfilter.nf_conntrack_tcp_loose=1 until xknockd has started"});
    const auto count = number_in(netfilter + "count"), max = number_in(netfilter + "max");
    if (count && max && *max > 0 && *count >= *max / 10 * 9)
        findings.push_back({Severity::problem, "kernel",
                            "the table of connections is nearly full (" + std::to_string(*count) + " of " +
                                std::to_string(*max) + "): when it is, new ones are dropped, granted or not",
                            "sysctl -w net.netfilter.nf_conntrack_max=" + std::to_string(*max * 2) +
                                "; conntrack -L says whose they are"});
    if (findings.size() == before)
        findings.push_back({Severity::ok, "kernel", "nothing of its switches and tables is in the way", {}});
}

void check_legacy_tables(Findings& findings) {
    for (const char* tool : {"iptables", "ip6tables"}) {
        const std::string names = tool == std::string_view("iptables") ? "ip_tables_names" : "ip6_tables_names";
        if (first_line("/proc/self/net/" + names).empty())
            continue;
        // /proc lists the tables' names even when no rule is left.
        const auto rules = output_of({std::string(tool) + "-legacy-save"});
        if (rules && rules->find("\n-A ") == rules->npos && rules->find(" DROP [") == rules->npos)
            continue;
        findings.push_back({Severity::advice, "firewall",
                            std::string("rules of the old ") + tool +
                                " are in force, and nft does not show them: what they drop is not looked at here",
                            std::string(tool) + "-legacy-save shows them"});
    }
}

void check_files(const config::Config& config, Findings& findings) {
    const auto before = findings.size();
    for (const std::string& warning : config.warnings)
        findings.push_back({Severity::advice, "config", warning, {}});
    for (std::size_t i = 0; i < config.secrets.size(); ++i)
        if (auto opened = config::open_secrets(config, i); !opened)
            findings.push_back({Severity::problem, "files", opened.error().message, opened.error().hint});
    std::error_code code;
    std::set<fs::path> directories = {fs::absolute(config.file, code).parent_path(), fs::current_path(code), "/root"};
    for (const auto& home : entries_of("/home", code))
        directories.insert(home.path());
    for (const fs::path& directory : directories) {
        check_profiles(directory, 0, findings);
        check_profiles(directory / ".config/xknock", 2, findings);
    }
    if (findings.size() == before)
        findings.push_back({Severity::ok, "files", "configuration and keys are readable for nobody else", {}});
}

} // namespace xk::tools
