// SPDX-License-Identifier: MIT
#include "daemon/config/config.h"

#include "daemon/config/machines.h"
#include "daemon/config/people.h"
#include "daemon/config/sections.h"
#include "daemon/config/services.h"
#include "protocol/base/secure_file.h"

#include <algorithm>

namespace xk::config {
namespace {

using yaml::Faults;
using yaml::Section;

// Keys of one section alone, for who forgot to indent them.
const yaml::KeyHomes kHomes = {
    {"allow", "gate"},          {"never_ban", "gate"},     {"on_failure", "gate"},     {"max_grants", "gate"},
    {"mode", "gate"},           {"external", "gate"},      {"allow_generic", "xdp"},   {"coexist", "xdp"},
    {"drop_syn", "xdp"},        {"priority", "xdp"},       {"local_addresses", "xdp"}, {"attempts_per_hour", "c_lock"},
    {"open_ports", "c_lock"},   {"opens", "sequence"},     {"capyknock", "legacy"},    {"fwknop", "legacy"},
    {"admin_group", "control"}, {"read_group", "control"}, {"run", "paths"},           {"state", "paths"},
    {"bpf", "paths"},           {"time_limit", "hooks"}};

std::optional<Section> open_main(const std::string& path, Faults& faults) {
    auto text = read_checked(path, {});
    if (text)
        return yaml::read(*text, path, faults);
    add_file_fault(faults, path, text.error());
    return std::nullopt;
}

// False: one of the accounts does not exist.
bool read_main(Config& config, Faults& faults) {
    auto main = open_main(config.file, faults);
    if (!main)
        return false;
    read_interfaces(*main, config);
    if (const auto port = main->number("port", 1, 65535))
        config.port = static_cast<std::uint16_t>(*port);
    config.answer_as_closed = read_stealth(*main);
    read_clock_skew(*main, config);
    read_legacy(*main, config);
    auto [services, hooks] = read_services(*main, config.knock_ports());
    config.policy.services = std::move(services);
    config.hooks.services = std::move(hooks);
    read_xdp(*main, config);
    read_gate(*main, config);
    read_sequence(*main, config);
    read_c_lock(*main, config);
    read_control(*main, config);
    const bool has_accounts = read_process(*main, config);
    read_paths(*main, config);
    read_hooks(*main, config);
    main->finish(kHomes);
    return has_accounts;
}

void read_identity(Config& config, const std::string& directory, Identity identity, Faults& faults) {
    const auto id = read_server_id(directory);
    if (id)
        config.server_id = config.policy.settings.server = *id;
    else if (identity == Identity::required)
        add_file_fault(faults, directory + "/server_id", id.error());
}

} // namespace

Result<Config> load_config(const std::string& file, Identity identity, UserFaults user_faults) {
    Config config;
    config.file = file;
    const std::string directory = directory_of(file);
    Faults faults;
    const bool has_accounts = read_main(config, faults);
    read_identity(config, directory, identity, faults);
    People people(config, directory, user_faults, has_accounts);
    people.read(faults);
    if (user_faults == UserFaults::refuse || !faults.empty()) // report all faults at once
        people.add_faults(faults);
    if (!faults.empty())
        return faults.error();
    people.take_over();
    check_sequences(faults, config);
    check_handshakes(faults, config);
    check_legacy(faults, config);
    if (!faults.empty())
        return faults.error();
    warn_of_half_modes(config);
    config.policy.make_index();
    return config;
}

Result<Config> load_main(const std::string& file, Identity identity) {
    Config config;
    config.file = file;
    Faults faults;
    (void)read_main(config, faults);
    read_identity(config, directory_of(file), identity, faults);
    return faults.empty() ? Result<Config>(std::move(config)) : Result<Config>(faults.error());
}

std::vector<std::uint16_t> Config::knock_ports() const {
    std::vector<std::uint16_t> ports = {port};
    for (const std::uint16_t old : {capyknock_port, fwknop_port})
        if (old != 0 && std::ranges::find(ports, old) == ports.end())
            ports.push_back(old);
    return ports;
}

std::vector<PortRange> Config::ranges() const {
    std::vector<PortRange> found;
    for (const authz::Service& service : policy.services)
        std::ranges::copy_if(service.all_ports(), std::back_inserter(found),
                             [](const PortRange& ports) { return !ports.is_single(); });
    return found;
}

bool Config::has_targets() const {
    return std::ranges::any_of(policy.services, [](const authz::Service& s) { return s.is_behind(); });
}

void disable(Config& config, std::size_t index, const Error& fault) {
    std::string text = fault.message;
    if (!fault.hint.empty())
        text += " (" + fault.hint + ")";
    config.disabled.push_back({config.secrets[index].described_in, {text}});
    const auto at = static_cast<std::ptrdiff_t>(index);
    config.policy.credentials.erase(config.policy.credentials.begin() + at);
    config.secrets.erase(config.secrets.begin() + at);
    config.policy.make_index();
}

bool names(const std::vector<Disabled>& list, const std::string& file) {
    return std::ranges::any_of(list, [&](const Disabled& disabled) { return disabled.file == file; });
}

} // namespace xk::config
