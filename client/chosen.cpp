// SPDX-License-Identifier: MIT
#include "client/chosen.h"

#include "client/addresses.h"
#include "client/settings.h"
#include "protocol/base/nearest.h"
#include "protocol/base/quote.h"
#include "protocol/yaml/document.h"

#include <algorithm>
#include <set>

namespace xk::client {
namespace {

Error usage(Error error) {
    error.exit = Exit::usage;
    return error;
}

Error unknown_service(const std::string& name, const Profile& profile) {
    std::set<std::string> known;
    for (const auto& [service, endpoints] : profile.services)
        known.insert(service);
    std::string list;
    for (const std::string& service : known)
        list += (list.empty() ? "" : ", ") + printable(service);
    const auto meant = nearest(name, known);
    return Error{in_quotes(name) + " is not among the services of " + in_quotes(profile.file),
                 meant ? "did you mean " + in_quotes(*meant) + "?"
                       : "it has " + list + "; write a new one of the server into the profile's services",
                 Exit::usage};
}

bool is_number(const std::string& text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

} // namespace

Result<Profile> profile_for(const Arguments& a) {
    const auto own = profile_directory();
    if (!own && a.profiles.empty() && a.profile.find('/') == std::string::npos)
        return own.error();
    auto profile = a.profile.find('/') != std::string::npos
                       ? load_profile(a.profile)
                       : find_profile(a.profiles.empty() ? *own : a.profiles, a.profile.empty() ? a.host : a.profile);
    if (profile && a.family != Family::any)
        profile->family = a.family;
    if (profile && a.handshake)
        profile->mode = *a.handshake ? ClientMode::handshake : ClientMode::packet;
    if (profile && own)
        if (auto done = apply_settings(*own, *profile); !done)
            return done.error();
    return profile;
}

std::string host_of(const Arguments& a, const Profile& profile) {
    const bool is_alias = a.profile.empty() || profile.is_called(a.host);
    if (!is_alias || profile.has_host(a.host))
        return a.host;
    if (!profile.is_called(a.host)) // short for one of them?
        if (const std::string complete = completed_name(a.host); profile.has_host(complete))
            return a.host;
    return !profile.server.empty() && !profile.gateway ? profile.server
           : profile.hosts.empty()                     ? a.host
                                                       : profile.hosts.front();
}

Result<RequestSpec> request_spec_of(const Arguments& a) {
    RequestSpec spec;
    spec.single_use = a.single_use;
    if (!a.source.empty()) {
        auto address = Address::parse(a.source);
        if (!address)
            return usage(address.error());
        spec.source = *address;
    }
    if (!a.for_address.empty()) {
        auto address = Address::parse(a.for_address);
        if (!address)
            return usage(address.error());
        spec.for_address = *address;
    }
    if (!a.lifetime.empty()) {
        auto lifetime = parse_duration(a.lifetime);
        if (!lifetime)
            return usage(lifetime.error());
        spec.lifetime = static_cast<std::uint32_t>(lifetime->count());
    }
    return spec;
}

Result<std::vector<Endpoint>> choose_service(const Arguments& a, const Profile& profile, RequestSpec& spec) {
    std::string name = a.service.empty() ? profile.service : a.service;
    if (is_number(name))
        name = "tcp/" + name;
    if (name.empty())
        return Error{"which service?", "name one, or set \"service\" in " + profile.file, Exit::usage};
    const auto said = parse_service_spec(name);
    if (!said)
        return usage(said.error());
    spec.service = said->service;
    spec.endpoint = said->endpoint;
    spec.target = said->target;
    if (spec.service == 0)
        return spec.target == Address{} ? std::vector<Endpoint>{spec.endpoint} : std::vector<Endpoint>();
    if (!is_name(name))
        return Error{in_quotes(name) + " is not the name of a service", {}, Exit::usage};
    if (name == kAllServices) {
        std::vector<Endpoint> all;
        for (const auto& [service, endpoints] : profile.services)
            all.insert(all.end(), endpoints.begin(), endpoints.end());
        std::stable_partition(all.begin(), all.end(), [](const Endpoint& e) { return e.protocol == IpProtocol::tcp; });
        return all;
    }
    const auto known = profile.services.find(name);
    if (known == profile.services.end() && !profile.services.empty())
        return unknown_service(name, profile);
    return known == profile.services.end() ? std::vector<Endpoint>() : known->second;
}

} // namespace xk::client
