// SPDX-License-Identifier: MIT
// Ways of knocking that are set up in part, so that a knock would be refused later and nobody knew why.
#include "daemon/config/config.h"
#include "daemon/config/sections.h"
#include "protocol/base/quote.h"

#include <algorithm>
#include <set>

namespace xk::config {
namespace {

using authz::Credential;
using authz::KnockMode;

bool has_device(const Config& config, authz::DeviceKind kind) {
    return std::ranges::any_of(config.policy.credentials, [&](const Credential& c) { return c.legacy.kind == kind; });
}

// The users who have a device with this mode of whom `is_so` is true.
template <typename IsSo>
std::set<std::string> users_with(const Config& config, KnockMode mode, IsSo is_so) {
    std::set<std::string> users;
    for (const Credential& credential : config.policy.credentials)
        if (credential.has_mode(mode) && is_so(credential))
            users.emplace(credential.user.view());
    return users;
}

void warn_of_listener(Config& config, KnockMode mode, authz::DeviceKind kind, std::uint16_t port,
                      const std::string& remedy) {
    const std::string name(authz::kKnockModeNames[static_cast<std::size_t>(mode)]);
    if (port != 0 && !has_device(config, kind))
        config.warnings.push_back("legacy." + name + " listens, and no device is of that kind");
    if (port == 0)
        for (const std::string& user : users_with(config, mode, [](const Credential&) { return true; }))
            config.warnings.push_back("user " + in_quotes(user) + " has mode " + name +
                                      ", and nothing listens for it (" + remedy + " in " + config.file + ")");
}

void warn_of_opens(Config& config, KnockMode mode, ServiceId opens, const std::string& section) {
    const auto& services = config.policy.services;
    const auto named = std::ranges::find_if(
        services, [&](const authz::Service& service) { return service_id(service.name.view()) == opens; });
    if (named == services.end()) // all
        return;
    const auto index = static_cast<std::size_t>(named - services.begin());
    for (const std::string& user :
         users_with(config, mode, [&](const Credential& c) { return !c.services.test(index); }))
        config.warnings.push_back("user " + in_quotes(user) + " may not open " + in_quotes(named->name.view()) +
                                  ", and " + section + ".opens names nothing else");
}

// Whether one of the device's services is the TCP port that its packets ask for.
bool has_service(const Config& config, const Credential& device) {
    const PortRange asked{IpProtocol::tcp, device.legacy.port, device.legacy.port};
    for (std::size_t i = 0; i < config.policy.services.size(); ++i)
        if (device.services.test(i))
            for (const PortRange& ports : config.policy.services[i].all_ports())
                if (ports.meets(asked))
                    return true;
    return false;
}

} // namespace

void warn_of_half_modes(Config& config) {
    warn_of_listener(config, KnockMode::capyknock, authz::DeviceKind::capyknock, config.capyknock_port,
                     "legacy: {capyknock: {port: PORT}}");
    warn_of_listener(config, KnockMode::fwknop, authz::DeviceKind::fwknop, config.fwknop_port, "legacy: {fwknop: {}}");
    warn_of_opens(config, KnockMode::sequence, config.policy.settings.sequence.opens, "sequence");
    warn_of_opens(config, KnockMode::c_lock, config.policy.settings.c_lock.opens, "c_lock");
    for (std::size_t i = 0; i < config.policy.credentials.size(); ++i)
        if (const Credential& device = config.policy.credentials[i];
            device.has_mode(KnockMode::capyknock) && !has_service(config, device))
            config.warnings.push_back(config.secrets[i].described_in + ": no service of user " +
                                      in_quotes(device.user.view()) + " has port tcp/" +
                                      std::to_string(device.legacy.port) + ", so a knock of this device opens nothing");
}

} // namespace xk::config
