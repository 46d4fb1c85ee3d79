// SPDX-License-Identifier: MIT
// Reads the files of some users again. With ten thousand devices this takes a few milliseconds, where load_config()
// takes half a second.
#include "daemon/config/config.h"
#include "daemon/config/machines.h"
#include "daemon/config/people.h"
#include "daemon/config/sections.h"
#include "protocol/base/quote.h"
#include "protocol/encoding.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace xk::config {
namespace {

constexpr std::string_view kYaml = ".yaml";

bool is_there(const std::string& path) {
    struct stat st {};
    return ::lstat(path.c_str(), &st) == 0;
}

bool is_named_after(std::string_view file, const std::set<std::string>& users) {
    for (auto dot = file.find('.'); dot != file.npos; dot = file.find('.', dot + 1))
        if (users.contains(std::string(file.substr(0, dot))))
            return true;
    return false;
}

// The files NAME.*.yaml of these users. readdir(3) alone, because a directory has three files for each of ten thousand
// credentials.
std::set<std::string> files_named_after(const std::string& directory, const std::set<std::string>& users,
                                        yaml::Faults& faults) {
    std::set<std::string> files;
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(directory.c_str()), ::closedir);
    if (!entries) {
        if (errno != ENOENT)
            faults.add({directory, 0, 0}, std::strerror(errno));
        return files;
    }
    errno = 0;
    while (const dirent* const entry = ::readdir(entries.get()))
        if (const std::string_view name = entry->d_name;
            name.ends_with(kYaml) && name.front() != '.' && is_named_after(name, users))
            files.insert(directory + "/" + std::string(name));
    if (errno != 0)
        faults.add({directory, 0, 0}, std::strerror(errno));
    return files;
}

// Leaves out the users and their credentials.
void drop_users(Config& config, const std::set<std::string>& users) {
    std::erase_if(config.users, [&](const NamedUser& user) { return users.contains(user.name); });
    auto& credentials = config.policy.credentials;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < credentials.size(); ++i) {
        if (users.contains(std::string(credentials[i].user.view())))
            continue;
        if (kept != i) {
            credentials[kept] = credentials[i];
            config.secrets[kept] = std::move(config.secrets[i]);
        }
        ++kept;
    }
    credentials.resize(kept);
    config.secrets.resize(kept);
}

// Brings what stands behind the first `sorted` to its place, as load_config() would have put it.
void sort_in(Config& config, std::size_t sorted_users, std::size_t sorted) {
    auto& credentials = config.policy.credentials;
    for (; sorted < credentials.size(); ++sorted) {
        const auto end = config.secrets.begin() + static_cast<std::ptrdiff_t>(sorted);
        const auto place =
            std::ranges::lower_bound(config.secrets.begin(), end, end->described_in, {}, &SecretFiles::described_in) -
            config.secrets.begin();
        std::rotate(config.secrets.begin() + place, end, end + 1);
        const auto last = credentials.begin() + static_cast<std::ptrdiff_t>(sorted);
        std::rotate(credentials.begin() + place, last, last + 1);
    }
    const auto middle = config.users.begin() + static_cast<std::ptrdiff_t>(sorted_users);
    std::ranges::inplace_merge(config.users, middle, {}, &NamedUser::name);
}

bool is_about(const std::string& warning, const std::set<std::string>& users) {
    return std::ranges::any_of(
        users, [&](const std::string& user) { return warning.find("user " + in_quotes(user)) != warning.npos; });
}

} // namespace

// The file described a device of these users before, so it does so now, or it is gone.
void People::read_known_credential(const std::string& path) {
    File& file = files_.emplace_back(File{path, {}});
    read_credential(file);
    if (file.is_of_others)
        file.faults.add({path, 0, 0}, "describes a device of another user now", "\"knockctl reload\" reads all files");
}

// The file has the name that a device of these users would have. It may belong to another user: a name has dots.
void People::read_found_credential(const std::string& path) {
    read_credential(files_.emplace_back(File{path, {}}));
    if (files_.back().is_of_others)
        files_.pop_back();
}

void People::compare_with(const Config& counts) {
    const auto add = [](File& file, const std::string& what, const std::string& where) {
        file.faults.add({file.path, 0, 0}, what + " is there twice", "the first is at " + where);
    };
    for (const Device& device : devices_)
        for (std::size_t i = 0; i < counts.policy.credentials.size(); ++i) {
            const authz::Credential& other = counts.policy.credentials[i];
            const SecretFiles& files = counts.secrets[i];
            if (only_->contains(std::string(other.user.view())))
                continue;
            if (other.id == device.credential.id)
                add(*device.file, "credential id " + to_hex(other.id), files.described_in);
            if (files.key == device.secrets.key)
                add(*device.file, "the secret " + in_quotes(files.key), files.described_in);
            if (other.legacy.name[0] != '\0' && other.legacy.name_view() == device.credential.legacy.name_view())
                add(*device.file, "the capyknock name " + in_quotes(other.legacy.name_view()), files.described_in);
        }
}

void People::read_again(const std::set<std::string>& users, const Config& counts, yaml::Faults& faults) {
    only_ = &users;
    others_ = config_.policy.credentials.size();
    std::set<std::string> described;
    for (const std::string& user : users)
        described.insert(directory_ + "/users/" + user + std::string(kYaml));
    for (const NamedUser& user : counts.users)
        if (users.contains(user.name))
            described.insert(user.file);
    for (const std::string& path : described)
        if (is_there(path))
            read_user(files_.emplace_back(File{path, {}}));
    for (const auto& [name, user] : users_)
        if (!users.contains(name))
            user.file->faults.add(user.place, "user " + in_quotes(name) + " is described here now",
                                  "\"knockctl reload\" reads all files");
    for (File& file : files_)
        if (!file.is_good())
            users_.try_emplace(
                file.path.substr(file.path.rfind('/') + 1, file.path.size() - file.path.rfind('/') - 1 - kYaml.size()),
                User{&file, {file.path, 0, 0}, {}});
    std::set<std::string> found = files_named_after(directory_ + "/credentials", users, faults);
    for (std::size_t i = 0; i < counts.policy.credentials.size(); ++i) {
        const std::string& path = counts.secrets[i].described_in;
        found.erase(path);
        if (!users.contains(std::string(counts.policy.credentials[i].user.view())) || !is_there(path))
            continue;
        read_known_credential(path);
    }
    for (const std::string& path : found)
        read_found_credential(path);
    compare_with(counts);
    std::erase_if(config_.disabled, [&](const Disabled& disabled) {
        return described.contains(disabled.file) || found.contains(disabled.file);
    });
}

Result<Config> load_users(const Config& counts, const std::set<std::string>& users) {
    Config config = counts;
    config.warnings.clear();
    drop_users(config, users);
    const std::size_t others = config.users.size(), credentials = config.policy.credentials.size();
    yaml::Faults faults;
    People people(config, directory_of(counts.file), UserFaults::disable, true);
    people.read_again(users, counts, faults);
    if (!faults.empty()) {
        people.add_faults(faults);
        return faults.error();
    }
    people.take_over();
    sort_in(config, others, credentials);
    check_sequences(faults, config);
    check_handshakes(faults, config);
    check_legacy(faults, config);
    if (!faults.empty())
        return faults.error();
    warn_of_half_modes(config);
    std::erase_if(config.warnings, [&](const std::string& warning) { return !is_about(warning, users); });
    config.policy.make_index();
    return config;
}

} // namespace xk::config
