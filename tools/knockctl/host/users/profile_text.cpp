// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/users/profile_text.h"

#include <algorithm>

namespace xk::tools {
namespace {

using ServicePorts = std::vector<std::pair<std::string, std::vector<std::string>>>;

// The services that the user may open.
ServicePorts ports_of(const config::Config& config, const config::UserFile& user) {
    ServicePorts all;
    for (const authz::Service& service : config.policy.services) {
        const std::string name(service.name.view());
        if (!config::has_all_services(user) && std::ranges::find(user.services, name) == user.services.end())
            continue;
        std::vector<std::string>& ports = all.emplace_back(name, std::vector<std::string>()).second;
        for (const PortRange& range : service.all_ports()) {
            if (!service.is_behind())
                ports.push_back(range.text());
            else if (service.published.port != 0)
                ports.push_back(service.published.text());
            else
                for (const Address& target : {service.target4, service.target6})
                    if (target != Address{})
                        ports.push_back(range.text() + "@" + target.text());
        }
    }
    return all;
}

std::string head_of(const config::CredentialFile& device) {
    return "# Profile of " + device.user + "/" + device.device +
           " for knock-client: put it into ~/.config/xknock, mode 0600.\n"
           "# It holds a key: whoever has this file" +
           (device.factor == FactorKind::totp   ? " and a code of the moment"
            : device.factor == FactorKind::hotp ? " and the next code"
                                                : "") +
           " can knock.\n";
}

} // namespace

Result<WipedText> profile_text(const config::Config& config, const config::UserFile& user,
                               const config::CredentialFile& device, const DeviceSecrets& secrets) {
    ProfileFile profile;
    profile.hosts = device.hosts;
    profile.server = device.server.value_or("");
    profile.knock_port = config.port;
    profile.server_id = config.server_id;
    profile.credential = device.id;
    *profile.key = *secrets.key;
    profile.factor = device.factor;
    if (has_codes(device.factor))
        profile.digits = device.digits.value_or(6);
    if (device.factor == FactorKind::hmac)
        *profile.hmac_key.emplace() = *secrets.factor;
    if (device.factor == FactorKind::none)
        profile.sequence_ports = config.policy.settings.sequence.ports;
    profile.services = ports_of(config, user);
    if (!profile.services.empty())
        profile.service = profile.services.front().first;
    auto text = profile_file_text(profile, head_of(device));
    if (!text)
        return text.error();
    return WipedText::from(*std::move(text));
}

} // namespace xk::tools
