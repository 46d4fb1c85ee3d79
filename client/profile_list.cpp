// SPDX-License-Identifier: MIT
#include "client/profile_list.h"

#include "client/settings.h"
#include "protocol/base/entries.h"
#include "protocol/base/nearest.h"
#include "protocol/base/quote.h"
#include "protocol/yaml/document.h"

#include <algorithm>
#include <filesystem>
#include <set>

namespace xk::client {
namespace {

constexpr std::size_t kMostRefused = 5; // that are named

std::set<std::string> names_in(const std::vector<ListedProfile>& all) {
    std::set<std::string> names;
    for (const auto& [file, profile] : all) {
        names.insert(std::filesystem::path(file).stem().string());
        if (!profile)
            continue;
        names.insert(profile->name);
        names.insert(profile->hosts.begin(), profile->hosts.end());
    }
    return names;
}

} // namespace

Result<std::vector<ListedProfile>> list_profiles(const std::string& directory) {
    std::error_code code;
    std::vector<std::string> files;
    for (const auto& entry : entries_of(directory, code))
        if (entry.path().extension() == ".yaml" && entry.path().filename() != kSettingsName)
            files.push_back(entry.path().string());
    if (code)
        return os_error_of(code.value(), in_quotes(directory));
    std::sort(files.begin(), files.end());
    std::vector<ListedProfile> all;
    for (const std::string& file : files)
        all.push_back({file, load_profile(file)});
    return all;
}

Error no_profile_for(const std::string& directory, const std::string& host) {
    Error error{
        "no profile in " + in_quotes(directory) + " is for host " + in_quotes(host),
        "\"knock-client enroll [LOGIN@]HOST\" brings a profile; one that is there needs the host among its hosts",
        Exit::configuration};
    const auto all = list_profiles(directory);
    if (!all) {
        error.message += "\n  " + all.error().message;
        return error;
    }
    const auto meant = nearest(host, names_in(*all));
    if (meant)
        error.hint = "did you mean " + in_quotes(*meant) + "?";
    std::size_t refused = 0;
    for (const auto& [file, profile] : *all) {
        if (profile || refused++ >= kMostRefused)
            continue;
        const std::string& faults = profile.error().message;
        error.message += "\n  refused: " + faults.substr(0, faults.find('\n'));
        if (refused == 1 && !meant && !profile.error().hint.empty()) // of a file that may be of another host
            error.hint = profile.error().hint;
    }
    if (refused > kMostRefused)
        error.message += "\n  refused: " + std::to_string(refused - kMostRefused) + " more (knock-client ls)";
    return error;
}

} // namespace xk::client
