// SPDX-License-Identifier: MIT
#include "daemon/config/people.h"

#include "protocol/base/entries.h"
#include "protocol/base/nearest.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"

#include <algorithm>
#include <filesystem>

namespace xk::config {
namespace {

namespace fs = std::filesystem;
using yaml::Section;

// The .yaml files of a directory, sorted. A directory that does not exist has none.
std::vector<std::string> files_in(const std::string& path, yaml::Faults& faults) {
    std::vector<std::string> files;
    std::error_code code;
    if (!fs::exists(path, code) && !code)
        return files;
    for (const auto& entry : entries_of(path, code))
        if (entry.path().extension() == ".yaml" && entry.path().filename().string()[0] != '.')
            files.push_back(entry.path());
    if (code)
        faults.add({path, 0, 0}, code.message());
    std::sort(files.begin(), files.end());
    return files;
}

} // namespace

void add_file_fault(yaml::Faults& faults, const std::string& path, const Error& error) {
    std::string message = error.message;
    if (const std::string name = in_quotes(path); message.starts_with(name))
        message.erase(0, message.find_first_not_of(": ", name.size()));
    faults.add({path, 0, 0}, message, error.hint);
}

People::People(Config& config, std::string directory, UserFaults user_faults, bool has_accounts)
    : config_(config), directory_(std::move(directory)), user_faults_(user_faults), has_accounts_(has_accounts) {
    for (std::size_t i = 0; i < config.policy.services.size(); ++i)
        services_.emplace(config.policy.services[i].name.view(), i);
}

void People::read(yaml::Faults& faults) {
    for (const std::string& path : files_in(directory_ + "/users", faults))
        read_user(files_.emplace_back(File{path, {}}));
    for (File& file : files_)
        if (!file.is_good()) // an unreadable file belongs to the user of its name
            users_.try_emplace(fs::path(file.path).stem().string(), User{&file, {file.path, 0, 0}, {}});
    for (const std::string& path : files_in(directory_ + "/credentials", faults))
        read_credential(files_.emplace_back(File{path, {}}));
}

void People::add_faults(yaml::Faults& faults) const {
    for (const File& file : files_)
        faults.add_all(file.faults);
}

void People::warn_of_modes(const std::string& name, const User& user) {
    const auto warn = [&](const char* what) {
        config_.warnings.push_back(user.place.text() + ": user " + in_quotes(name) + " has " + what);
    };
    if (user.rights.has_mode(authz::KnockMode::sequence) && !user.has_sequence)
        warn("mode sequence, and no device without a second factor, which it needs");
    else if (user.has_sequence && user.rights.binding == authz::Binding::match)
        warn("mode sequence, whose knocks name no address, and \"binding: match\"");
    if (user.rights.has_mode(authz::KnockMode::c_lock) && !user.has_c_lock)
        warn("mode c-lock, and no device with codes of six digits (factor totp), which it needs");
    else if (user.has_c_lock && user.rights.binding == authz::Binding::match)
        warn("mode c-lock, whose knocks name no address, and \"binding: match\"");
}

void People::take_over() {
    for (const auto& [name, user] : users_) {
        if (!user.file->is_good())
            continue;
        config_.users.push_back({name, user.rights.services, user.file->path});
        if (!user.has_credential)
            config_.warnings.push_back(user.place.text() + ": user " + in_quotes(name) +
                                       " has no credential and cannot knock");
        else
            warn_of_modes(name, user);
    }
    for (const auto& [name, user] : users_)
        if (user.file->is_good())
            warn_of_legacy(name, user);
    for (const Device& device : devices_) {
        if (!device.file->is_good())
            continue;
        if (const auto& c = device.credential; c.legacy.kind != authz::DeviceKind::xknock && c.modes.none())
            config_.warnings.push_back(device.file->path + ": user " + in_quotes(c.user.view()) +
                                       " does not have mode " +
                                       std::string(authz::kDeviceKindNames[static_cast<std::size_t>(c.legacy.kind)]) +
                                       ", so this device cannot knock");
        config_.policy.credentials.push_back(device.credential);
        config_.secrets.push_back(device.secrets);
    }
    for (const File& file : files_) {
        if (file.is_good())
            continue;
        Disabled& disabled = config_.disabled.emplace_back(Disabled{file.path, {}});
        for (const yaml::Fault& fault : file.faults.all())
            disabled.faults.push_back(fault.text());
    }
}

std::optional<Section> People::open(File& file) {
    FileRules rules;
    rules.checked_directories = &checked_directories_;
    auto text = read_checked(file.path, rules);
    if (text)
        return yaml::read(*text, file.path, file.faults);
    add_file_fault(file.faults, file.path, text.error());
    return std::nullopt;
}

// Two files have what only one may have. Where faults disable, both are disabled.
void People::fault_twice(const std::string& what, const Use& first, const Use& second) {
    second.file->faults.add(second.place, what + " is there twice", "the first is at " + first.place.text());
    if (user_faults_ == UserFaults::disable)
        first.file->faults.add(first.place, what + " is there twice", "the second is at " + second.place.text());
}

void People::claim(std::map<std::string, Use>& seen, const std::string& key, const std::string& what, const Use& use) {
    const auto [known, added] = seen.emplace(key, use);
    if (!added)
        fault_twice(what, known->second, use);
}

Result<void> People::check_service(std::string_view name) const {
    if (services_.contains(name))
        return {};
    std::set<std::string> names;
    for (const auto& [known, index] : services_)
        names.emplace(known);
    const auto meant = nearest(name, names);
    return Error{"there is no service " + in_quotes(name),
                 meant ? "did you mean \"" + *meant + "\"?" : "services are named in " + config_.file};
}

void People::set_services(authz::Credential& rights, const std::vector<std::string>& names) const {
    for (const std::string& name : names)
        if (name == kAllServices)
            for (const auto& known : services_)
                rights.services.set(known.second);
        else
            rights.services.set(services_.at(name));
}

void People::read_user(File& file) {
    auto section = open(file);
    if (!section)
        return;
    const UserFile read = read_user_file(*section, [this](std::string_view name) { return check_service(name); });
    if (read.name.empty()) // already a fault
        return;
    User user{&file, section->place_of_value("name"), rights_of(read)};
    set_services(user.rights, read.services);
    const auto [known, added] = users_.emplace(read.name, user);
    if (!added)
        fault_twice("user " + in_quotes(read.name), {known->second.place, known->second.file}, {user.place, &file});
}

} // namespace xk::config
