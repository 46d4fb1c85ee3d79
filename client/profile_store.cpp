// SPDX-License-Identifier: MIT
#include "client/profile_store.h"

#include "client/profile_list.h"
#include "client/settings.h"
#include "client/ssh_config.h"
#include "protocol/base/directory.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

namespace xk::client {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestName = 200; // the file system has 255, and a file that is made gets a longer one first

// Makes the directory and those above it, for this user alone. What is there stays as it is.
Result<void> make_profile_directory(const std::string& directory) {
    std::error_code code;
    const fs::path path = fs::absolute(directory, code).lexically_normal();
    fs::path made;
    for (const fs::path& part : path) {
        made /= part;
        if (::mkdir(made.c_str(), 0700) != 0 && errno != EEXIST && errno != EISDIR && errno != EROFS)
            return os_error("making " + in_quotes(made.string()));
    }
    return {};
}

bool share_a_host(const Profile& one, const Profile& other) {
    const auto knows = [](const Profile& a, const Profile& b) {
        return a.is_for(fs::path(b.file).stem().string()) || a.is_for(b.name) ||
               std::ranges::any_of(b.hosts, [&](const std::string& host) { return a.is_for(host); });
    };
    return knows(one, other) || knows(other, one);
}

// The file of another profile that a search for one of the new one's hosts would find too.
std::string find_rival(const Profile& profile, const std::string& directory) {
    const auto all = list_profiles(directory);
    if (all)
        for (const auto& [file, other] : *all)
            if (file != profile.file && other && share_a_host(profile, *other))
                return file;
    return {};
}

FileRules profile_rules() {
    FileRules rules;
    rules.secret = true;
    return rules;
}

// Whether there is a file, and whether it has this text already.
enum class Present { no, same, other };
Result<Present> look_at(const std::string& file, std::string_view text) {
    struct stat st {};
    if (::lstat(file.c_str(), &st) != 0)
        return errno == ENOENT ? Result(Present::no) : os_error(in_quotes(file));
    if (!S_ISREG(st.st_mode))
        return Error{in_quotes(file) + " is there, and is not a regular file", "move it away", Exit::configuration};
    auto there = read_checked(file, profile_rules());
    if (!there)
        return Present::other;
    const bool same = *there == text;
    sodium_memzero(there->data(), there->size());
    return same ? Present::same : Present::other;
}

Error refuse_to_replace(const StoreRequest& request, const std::string& file) {
    return {in_quotes(file) + " is another profile, which stays as it is",
            "\"--force\" replaces it; \"--as NAME\" gives the new one another name than " + in_quotes(request.name)};
}

Error refuse_beside(const std::string& rival) {
    const std::string stem = fs::path(rival).stem().string();
    return {in_quotes(rival) + " is a profile for the same host, and nobody could say which one is meant",
            "\"--as " + as_line(stem) + " --force\" replaces it; \"--force\" alone keeps both, to be told apart by " +
                "\"--profile NAME\""};
}

} // namespace

bool is_profile_name(std::string_view name) {
    return is_plain_host(name) && name.size() <= kLongestName && std::string(name) + ".yaml" != kSettingsName;
}

Result<StoredProfile> store_profile(std::string_view text, const StoreRequest& request) {
    const std::string file = request.directory + "/" + request.name + ".yaml";
    auto profile = parse_profile(text, file);
    if (!profile)
        return profile.error();
    if (auto made = make_profile_directory(request.directory); !made)
        return made.error();
    const auto present = look_at(file, text);
    if (!present)
        return present.error();
    if (*present == Present::other && !request.force)
        return refuse_to_replace(request, file);
    StoredProfile stored{
        .file = file, .profile = *std::move(profile), .was_there = *present == Present::same, .rival = {}};
    stored.rival = find_rival(stored.profile, request.directory);
    if (!stored.rival.empty() && !stored.was_there && !request.force)
        return refuse_beside(stored.rival);
    if (!stored.was_there)
        if (auto written = write_file(file, text, 0600, request.force); !written)
            return written.error();
    // Also where others may write a directory above, it would be refused at each knock.
    if (auto readable = load_profile(file); !readable) {
        if (*present == Present::no)
            (void)remove_file(file, true);
        return readable.error();
    }
    return stored;
}

} // namespace xk::client
