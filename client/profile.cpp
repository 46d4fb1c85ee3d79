// SPDX-License-Identifier: MIT
#include "client/profile.h"

#include "client/addresses.h"
#include "client/profile_list.h"
#include "client/settings.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "protocol/profile/profile_file.h"
#include "protocol/yaml/document.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace xk::client {
namespace {

namespace fs = std::filesystem;
using yaml::Scalar;

FileRules secret_file() {
    FileRules rules;
    rules.secret = true;
    return rules;
}

// Of a host that was asked for and one that a profile knows.
using Matches = bool (*)(std::string_view host, std::string_view known);

bool same_host(std::string_view host, std::string_view known) { return normal_host(host) == normal_host(known); }

void take_habits(ProfileFile& file, Profile& profile) {
    profile.service = std::move(file.service);
    for (const auto& [name, ports] : file.services)
        for (const std::string& text : ports)
            if (const auto port = parse_service_port(text))
                if (auto& known = profile.services[name]; *port)
                    known.push_back(**port);
    profile.gateway = file.gateway;
    profile.mode = file.mode;
    profile.lifetime = static_cast<std::uint32_t>(file.lifetime.count());
    profile.nat = file.nat;
    profile.family = file.family;
    profile.stun = std::move(file.stun);
    profile.probe = file.probe;
    profile.wait = file.wait;
    profile.sequence_ports = file.sequence_ports;
}

Profile profile_of(ProfileFile& file, const std::string& path) {
    Profile profile;
    profile.file = path;
    profile.name = file.name.value_or(fs::path(path).stem().string());
    profile.hosts = std::move(file.hosts);
    profile.server = std::move(file.server);
    profile.port = file.knock_port;
    profile.server_id = file.server_id;
    profile.credential = file.credential;
    derive_keys(*profile.keys, *file.key, file.server_id, file.credential);
    profile.factor = file.factor;
    profile.digits = file.digits.value_or(6);
    for (auto* key : {&file.hmac_key, &file.otp_secret}) // one of them, by the factor
        if (*key)
            profile.factor_key = std::move(**key);
    take_habits(file, profile);
    return profile;
}

Result<Profile> read_profile(const std::string& path) {
    auto text = read_checked(path, secret_file());
    if (!text)
        return text.error();
    auto profile = parse_profile(*text, path);
    sodium_memzero(text->data(), text->size());
    return profile;
}

// Reads name and hosts of a file and does not check the rest.
bool is_for_host(const std::string& file, const std::string& host, Matches matches) {
    if (matches(host, fs::path(file).stem().string()))
        return true;
    auto text = read_checked(file, secret_file());
    if (!text)
        return false;
    yaml::Faults ignored;
    auto section = yaml::read(*text, file, ignored);
    sodium_memzero(text->data(), text->size());
    if (!section)
        return false;
    const auto name = section->scalar("name");
    if (name && matches(host, name->value))
        return true;
    const auto hosts = section->scalars("hosts", yaml::EmptyList::fine).value_or(std::vector<Scalar>{});
    return std::any_of(hosts.begin(), hosts.end(), [&](const Scalar& h) { return matches(host, h.value); });
}

} // namespace

bool Profile::is_called(std::string_view alias) const { return same_host(name, alias); }

bool Profile::has_host(std::string_view host) const {
    return std::any_of(hosts.begin(), hosts.end(), [&](const auto& h) { return same_host(h, host); });
}

Result<std::string> profile_directory() {
    const char* const xdg = std::getenv("XDG_CONFIG_HOME");
    if (xdg != nullptr && xdg[0] == '/')
        return std::string(xdg) + "/xknock";
    const char* home = std::getenv("HOME");
    if (home == nullptr || home[0] != '/')
        if (const passwd* entry = ::getpwuid(::getuid()))
            home = entry->pw_dir;
    if (home == nullptr || home[0] != '/')
        return Error{"there is no home directory to look for profiles in", "use --profiles DIR", Exit::configuration};
    return std::string(home) + "/.config/xknock";
}

Result<Profile> parse_profile(std::string_view text, const std::string& path) {
    yaml::Faults faults;
    auto section = yaml::read(text, path, faults);
    ProfileFile file = section ? read_profile_file(*section) : ProfileFile();
    if (faults.empty())
        return profile_of(file, path);
    Error error = faults.error();
    error.exit = Exit::configuration;
    return error;
}

Result<Profile> load_profile(const std::string& file) {
    auto profile = read_profile(file);
    if (!profile)
        profile.error().exit = Exit::configuration;
    return profile;
}

namespace {

std::vector<std::string> search(const std::string& directory, const std::string& host, Matches matches) {
    std::vector<std::string> found;
    std::error_code code;
    for (fs::directory_iterator i(directory, code), end; !code && i != end; i.increment(code)) {
        if (i->path().extension() != ".yaml" || i->path().filename() == kSettingsName)
            continue;
        const std::string file = i->path().string();
        if (is_for_host(file, host, matches))
            found.push_back(file);
    }
    return found;
}

// "server" for server.example.net. For a slip of the hand in a longer name no name server is asked.
bool may_be_short(const std::string& directory, const std::string& host) {
    return host.find('.') == std::string::npos || !search(directory, host, is_beginning_of).empty();
}

} // namespace

Result<Profile> find_profile(const std::string& directory, const std::string& host) {
    std::vector<std::string> found = search(directory, host, same_host);
    if (found.empty() && may_be_short(directory, host))
        if (const std::string complete = completed_name(host); !complete.empty())
            found = search(directory, complete, same_host);
    std::sort(found.begin(), found.end());
    if (found.size() == 1)
        return load_profile(found[0]);
    if (found.empty())
        return no_profile_for(directory, host);
    return Error{"profiles " + in_quotes(found[0]) + " and " + in_quotes(found[1]) + " are both for host " +
                     in_quotes(host),
                 {},
                 Exit::configuration};
}

} // namespace xk::client
