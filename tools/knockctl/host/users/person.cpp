// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/users/person.h"

#include "protocol/base/nearest.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "protocol/yaml/document.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <set>

namespace xk::tools {
namespace {

constexpr std::string_view kYaml = ".yaml";

// Only a whole configuration knows which services there are.
const config::CheckService kAnyService = [](std::string_view) { return Result<void>(); };

// The .yaml files of a directory, sorted. None where it does not exist.
Result<std::vector<std::string>> yaml_files(const std::string& directory) {
    std::vector<std::string> files;
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(directory.c_str()), ::closedir);
    if (!entries)
        return errno == ENOENT ? Result(files)
                               : Result<std::vector<std::string>>(os_error("reading " + in_quotes(directory)));
    errno = 0;
    while (const dirent* const entry = ::readdir(entries.get()))
        if (const std::string_view name = entry->d_name; name.ends_with(kYaml) && name.front() != '.')
            files.emplace_back(name);
    if (errno != 0)
        return os_error("reading " + in_quotes(directory));
    std::ranges::sort(files);
    return files;
}

Result<config::UserFile> parse_user(const std::string& text, const std::string& path) {
    yaml::Faults faults;
    auto section = yaml::read(text, path, faults);
    auto user = section ? config::read_user_file(*section, kAnyService) : config::UserFile();
    return faults.empty() ? Result(std::move(user)) : Result<config::UserFile>(faults.error());
}

Result<config::CredentialFile> parse_device(const std::string& text, const std::string& path) {
    yaml::Faults faults;
    auto section = yaml::read(text, path, faults);
    auto device = section ? config::read_credential_file(*section) : config::CredentialFile();
    return faults.empty() ? Result(std::move(device)) : Result<config::CredentialFile>(faults.error());
}

bool mentions(const std::string& text, const std::string& word) { return text.find(word) != text.npos; }

// Whether a file has the word in it. Ten thousand files are asked in less time than one hundred are checked and parsed.
bool may_mention(const std::string& path, const std::string& word) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    char text[4096];
    const ssize_t size = fd ? ::read(fd.get(), text, sizeof text) : -1;
    return size == sizeof text ||
           (size > 0 && std::string_view(text, static_cast<std::size_t>(size)).find(word) != std::string_view::npos);
}

// Nothing where the file is another user's.
Result<std::optional<Person>> read_user(const std::string& path, const std::string& name, bool is_named_after) {
    auto text = read_checked(path, {});
    if (!text)
        return text.error();
    if (!is_named_after && !mentions(*text, name))
        return std::optional<Person>();
    auto file = parse_user(*text, path);
    if (!file)
        return file.error();
    if (file->name != name)
        return std::optional<Person>();
    return std::optional(Person{path, *std::move(text), *std::move(file), {}});
}

Result<std::optional<DeviceFiles>> read_device(const std::string& path, const std::string& user, bool must_be_good) {
    auto text = read_checked(path, {});
    if (!text)
        return must_be_good ? Result<std::optional<DeviceFiles>>(text.error()) : std::optional<DeviceFiles>();
    if (!mentions(*text, user))
        return std::optional<DeviceFiles>();
    auto file = parse_device(*text, path);
    if (!file) // a fault of another user's file is not ours to report
        return must_be_good ? Result<std::optional<DeviceFiles>>(file.error()) : std::optional<DeviceFiles>();
    if (file->user != user)
        return std::optional<DeviceFiles>();
    const std::string stem = file->secrets ? path.substr(0, path.rfind('/') + 1) + *file->secrets
                                           : path.substr(0, path.size() - kYaml.size());
    const bool has_factor = file->factor != FactorKind::none;
    return std::optional(DeviceFiles{path, *std::move(text), *std::move(file), stem + ".key",
                                     has_factor ? stem + ".otp" : std::string()});
}

Result<void> read_devices(const std::string& directory, Person& person, Devices devices) {
    if (devices == Devices::none)
        return {};
    person.devices.clear();
    const auto files = yaml_files(directory);
    if (!files)
        return files.error();
    const std::string& user = person.file.name;
    for (const std::string& name : *files) {
        const bool is_named_after = name.starts_with(user + ".");
        if (!is_named_after && devices == Devices::usual)
            continue;
        if (!is_named_after && !may_mention(directory + "/" + name, user))
            continue;
        auto device = read_device(directory + "/" + name, user, is_named_after);
        if (!device)
            return device.error();
        if (*device)
            person.devices.push_back(**std::move(device));
    }
    std::ranges::sort(person.devices, {}, [](const DeviceFiles& device) { return device.file.device; });
    return {};
}

// The names of all users, for "did you mean".
std::set<std::string> user_names(const std::string& directory) {
    std::set<std::string> names;
    if (const auto files = yaml_files(directory))
        for (const std::string& file : *files)
            names.insert(file.substr(0, file.size() - kYaml.size()));
    return names;
}

} // namespace

Result<void> check_name(const std::string& name, const std::string& what) {
    if (is_name(name))
        return {};
    const std::string rule = "1 to 32 letters, digits, \"-\", \"_\" or \".\", the first a letter or digit";
    if (name.empty())
        return Error{"the name of the " + what + " is empty", rule, Exit::usage};
    if (name.size() > kMaxName)
        return Error{in_quotes(name, 40) + " is too long for a " + what + ": it has " + std::to_string(name.size()) +
                         " characters, and " + std::to_string(kMaxName) + " can be",
                     rule, Exit::usage};
    if (name.find('\n') != name.npos)
        return Error{in_quotes(name) + " is not the name of a " + what + ": there is a line end in it", rule,
                     Exit::usage};
    if (name.find('/') != name.npos)
        return Error{in_quotes(name) + " is not the name of a " + what + ": there is a \"/\" in it",
                     "a device is named as USER/DEVICE, or by --device", Exit::usage};
    return Error{in_quotes(name) + " is not the name of a " + what, rule, Exit::usage};
}

Result<Who> parse_who(const std::string& text) {
    const auto slash = text.find('/');
    Who who{text.substr(0, slash), {}};
    if (auto good = check_name(who.user, "user"); !good)
        return good.error();
    if (slash == text.npos)
        return who;
    who.device = text.substr(slash + 1);
    if (auto good = check_name(*who.device, "device"); !good)
        return good.error();
    return who;
}

Result<std::optional<Person>> find_known_person(const std::string& directory, const std::string& user,
                                                Devices devices) {
    const std::string users = directory + "/users", named = user + std::string(kYaml);
    auto files = yaml_files(users);
    if (!files)
        return files.error();
    // Their own name first, and then those of other names that describe them.
    std::stable_partition(files->begin(), files->end(), [&](const std::string& file) { return file == named; });
    std::optional<Error> own_fault;
    for (const std::string& file : *files) {
        if (file != named && !may_mention(users + "/" + file, user))
            continue;
        auto person = read_user(users + "/" + file, user, file == named);
        if (person && *person) {
            if (auto read = read_devices(directory + "/credentials", **person, devices); !read)
                return read.error();
            return person;
        }
        if (!person && file == named)
            own_fault = person.error();
    }
    if (own_fault)
        return *own_fault;
    return std::optional<Person>();
}

Result<Person> find_person(const std::string& directory, const Who& who, Devices devices) {
    auto person = find_known_person(directory, who.user, devices);
    if (!person)
        return person.error();
    if (!*person) {
        const auto meant = nearest(who.user, user_names(directory + "/users"));
        return Error{"there is no user " + in_quotes(who.user),
                     meant ? "did you mean " + in_quotes(*meant) + "?" : "knockctl user list"};
    }
    const auto has_device = [&] {
        return std::ranges::any_of((*person)->devices,
                                   [&](const DeviceFiles& one) { return one.file.device == *who.device; });
    };
    if (!who.device || has_device())
        return **std::move(person);
    if (auto read = read_devices(directory + "/credentials", **person, Devices::all); !read)
        return read.error();
    if (has_device())
        return **std::move(person);
    std::set<std::string> names;
    for (const DeviceFiles& one : (*person)->devices)
        names.insert(one.file.device);
    const auto meant = nearest(*who.device, names);
    return Error{"user " + in_quotes(who.user) + " has no device " + in_quotes(*who.device),
                 meant ? "did you mean " + in_quotes(who.user + "/" + *meant) + "?" : "knockctl user show " + who.user};
}

Result<DeviceFiles> only_device(const Person& person, const Who& who) {
    std::string names;
    for (const DeviceFiles& one : person.devices) {
        if (who.device && one.file.device == *who.device)
            return one;
        names += (names.empty() ? "" : ", ") + one.label();
    }
    if (person.devices.size() == 1 && !who.device)
        return person.devices.front();
    if (person.devices.empty())
        return Error{"user " + in_quotes(person.file.name) + " has no device",
                     "knockctl user add " + person.file.name + " --device NAME"};
    return Error{"user " + in_quotes(person.file.name) + " has several devices: " + names,
                 "name one of them as USER/DEVICE", Exit::usage};
}

Result<std::string> edit_user(const Person& person, const std::vector<yaml::Edit>& edits) {
    auto text = yaml::edit_mapping(person.text, person.path, edits);
    if (!text)
        return text;
    const auto again = parse_user(*text, person.path);
    return again ? text : Result<std::string>(again.error());
}

Result<std::string> edit_device(const DeviceFiles& device, const std::vector<yaml::Edit>& edits) {
    auto text = yaml::edit_mapping(device.text, device.path, edits);
    if (!text)
        return text;
    const auto again = parse_device(*text, device.path);
    return again ? text : Result<std::string>(again.error());
}

} // namespace xk::tools
