// SPDX-License-Identifier: MIT
//
// Person: a user and their devices, as their files are on the disk. The verbs change these files, so they keep the text
// with its comments beside what it says. Only the files that can be theirs are read: with ten thousand devices a whole
// configuration takes half a second.
#pragma once

#include "daemon/config/credential_file.h"
#include "daemon/config/user_file.h"
#include "protocol/base/result.h"
#include "protocol/yaml/edit.h"

#include <optional>
#include <string>
#include <vector>

namespace xk::tools {

struct DeviceFiles {
    std::string path, text; // the .yaml
    config::CredentialFile file;
    std::string key, factor; // paths of the secrets; no factor: empty

    std::string label() const { return file.user + "/" + file.device; }
};

struct Person {
    std::string path, text; // the .yaml
    config::UserFile file;
    std::vector<DeviceFiles> devices; // by name
};

// "anna" or "anna/laptop".
struct Who {
    std::string user;
    std::optional<std::string> device;

    std::string text() const { return device ? user + "/" + *device : user; }
};
// Error: it is no such text; says what a name is.
Result<Who> parse_who(const std::string& text);
// Error: it is no name; `what` is "user", "device".
Result<void> check_name(const std::string& name, const std::string& what);

// The devices of a person to look for: those in files of the usual names, credentials/USER.DEVICE.yaml, or in whatever
// file, which takes a tenth of a second with ten thousand devices.
enum class Devices { none, usual, all };

// An unknown user or device is an error, with the name that may be meant. A file of theirs with a fault is one too. A
// device that is named is looked for in all files, where it is not in the usual one.
Result<Person> find_person(const std::string& directory, const Who& who, Devices devices);
// Nothing where there is no such user.
Result<std::optional<Person>> find_known_person(const std::string& directory, const std::string& user, Devices devices);

// The device that `who` names, or the only one of the user.
Result<DeviceFiles> only_device(const Person& person, const Who& who);

// The text after the edits, which was read again: the keys and values must be right.
Result<std::string> edit_user(const Person& person, const std::vector<yaml::Edit>& edits);
Result<std::string> edit_device(const DeviceFiles& device, const std::vector<yaml::Edit>& edits);

} // namespace xk::tools
