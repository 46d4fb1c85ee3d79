// SPDX-License-Identifier: MIT
#include "client/settings.h"

#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "protocol/yaml/document.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace xk::client {
namespace {

namespace fs = std::filesystem;
using yaml::Scalar;
using yaml::Section;

bool is_of(const std::string& name, const std::string& directory, const std::string& file) {
    std::error_code code;
    const fs::path path = fs::weakly_canonical(file, code);
    if (name.find('/') != name.npos)
        return fs::weakly_canonical(name, code) == path;
    return path.stem() == name && path.parent_path() == fs::weakly_canonical(directory, code);
}

} // namespace

Result<void> apply_settings(const std::string& directory, Profile& profile) {
    const std::string file = directory + "/" + kSettingsName;
    if (::access(file.c_str(), F_OK) != 0) // missing, or in a directory that this user cannot enter
        return {};
    FileRules rules;
    rules.secret = true; // a program's arguments may hold a secret
    const auto text = read_checked(file, rules);
    if (!text)
        return text.error();
    yaml::Faults faults;
    auto section = yaml::read(*text, file, faults);
    if (section) {
        for (const Section::Entry& entry : section->entries("otp_command").value_or(std::vector<Section::Entry>{})) {
            if (entry.name.value.find('/') != 0 && entry.name.value.find('/') != std::string::npos)
                faults.add(entry.name.place,
                           in_quotes(entry.name.value) + " is neither a profile's name nor an absolute path");
            if (entry.values.empty() || entry.values.front().value.empty())
                faults.add(entry.name.place, "names no program", "a list, one word each: [pass, otp, server]");
            if (!is_of(entry.name.value, directory, profile.file))
                continue;
            profile.otp_command.clear();
            std::ranges::transform(entry.values, std::back_inserter(profile.otp_command), &Scalar::value);
        }
        section->finish();
    }
    return faults.empty() ? Result<void>() : faults.error();
}

} // namespace xk::client
